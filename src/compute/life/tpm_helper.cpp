// swtpm: makes the state of an emulated TPM once, and serves it to QEMU over a socket that both have from the start.
#include "compute/life/helpers.hpp"

#include "async/deadline.hpp"
#include "async/process_wait.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "compute/disks/disk_secrets.hpp"
#include "compute/life/tpm_state.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace domus::compute {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto tpm_file_timeout = 30s;
constexpr auto manufacturing_timeout = 120s; ///< of keys: RSA primes are found by chance
constexpr int opening_timeout_ms = 20'000;
constexpr const char* place_in_view = "/tpm";
constexpr const char* certificate_authority =
    "/var/lib/swtpm-localca"; ///< of swtpm_localca, unless its configuration says otherwise

/// A start's TPM, with all that its programs are told.
struct EmulatedTpm {
    HelperSite site;
    model::Tpm tpm;
    Uuid uuid;
    fs::path state;
    std::optional<Sensitive> key; ///< that encrypts the state

    bool is_2() const { return tpm.backend.version != model::TpmVersion::v1_2; }
    std::string name() const { return fmt::format("tpm '{}'", *tpm.alias); }
};

/// Sealed memory, once for each who reads it: they share the place that they have read to.
int pass_key(Command& command, const Sensitive& key) { return command.pass(make_memfd("tpm-key", key.view())); }

/// The state's folder where the program sees it. Comma and blank would end it in swtpm's options; in a view it has neither.
std::string show_state(Command& command, const fs::path& state) {
    if (!command.view) return state.string();
    const auto folder = open_file(state, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    command.view->show_folder(place_in_view, folder.get(), FileView::Use::write);
    return place_in_view;
}

std::string wanted_banks(const model::TpmBackend& backend) {
    std::string banks;
    for (const auto& [wanted, name] : {std::pair(backend.sha1, "sha1"), std::pair(backend.sha256, "sha256"),
                                       std::pair(backend.sha384, "sha384"), std::pair(backend.sha512, "sha512")})
        if (wanted) banks += (banks.empty() ? "" : ",") + std::string(name);
    return banks;
}

/// Whoever has the certificate authority of this host makes the state: the guest's user must not read that key.
std::optional<GuestUser> maker_of_certificates() {
    struct stat info{};
    if (::stat(certificate_authority, &info) < 0) return std::nullopt;
    passwd entry{}, *found = nullptr;
    char buffer[4096];
    if (::getpwuid_r(info.st_uid, &entry, buffer, sizeof buffer, &found) != 0 || !found) return std::nullopt;
    return GuestUser{info.st_uid, found->pw_gid};
}

/// The same for a new state and one whose banks change.
Command setup_command(const EmulatedTpm& tpm, const HelperSite& site, const fs::path& state) {
    auto command = helper_command(site, "swtpm_setup");
    command.fds.clear(); // its output goes into the error
    if (tpm.is_2()) command.arguments.emplace_back("--tpm2");
    command.arguments.insert(command.arguments.end(), {"--tpm-state", show_state(command, state)});
    if (const auto banks = wanted_banks(tpm.tpm.backend); !banks.empty())
        command.arguments.insert(command.arguments.end(), {"--pcr-banks", banks});
    if (tpm.key)
        command.arguments.insert(command.arguments.end(), {"--pwdfile-fd", std::to_string(pass_key(command, *tpm.key)),
                                                           "--cipher", "aes-256-cbc"});
    if (!command.view) return command;
    for (const char* settings :
         {"/etc/swtpm_setup.conf", "/etc/swtpm-localca.conf", "/etc/swtpm-localca.options", "/etc/passwd"})
        command.view->show(settings);
    return command;
}

Task<> run_setup(Command command, std::string what) {
    auto done = co_await run_command(std::move(command), Deadline::in(manufacturing_timeout));
    if (done.status.success()) co_return;
    constexpr std::size_t longest_tpm_quote = 1000;
    auto said = done.err.empty() ? done.out : done.err;
    if (said.size() > longest_tpm_quote) said = "..." + std::string(cut_text_front(said, longest_tpm_quote));
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: {}: swtpm_setup {}", what, done.status.text()))
        .because(std::move(said))
        .hint(fmt::format("certificates need '{}' with all files in it to belong to the owner of that folder",
                          certificate_authority));
}

/// Certificates only where they can be made: a user's daemon has no authority unless it is that of the host.
Command begin_manufacture(const EmulatedTpm& tpm) {
    auto site = tpm.site;
    const auto maker = maker_of_certificates();
    const bool certificates = maker && (::geteuid() == 0 || maker->uid == ::geteuid());
    if (certificates && ::geteuid() == 0) site.user = maker;
    if (!certificates)
        log::info("{}: its keys get no certificates: there is no '{}' that is ours", tpm.name(), certificate_authority);
    begin_tpm_state(tpm.state, site.user.value_or(own_user()));
    auto command = setup_command(tpm, site, unfinished_tpm_state(tpm.state));
    command.arguments.insert(command.arguments.end(),
                             {"--vmid", tpm.uuid.text(), "--createek", "--lock-nvram", "--not-overwrite"});
    if (certificates) command.arguments.insert(command.arguments.end(), {"--create-ek-cert", "--create-platform-cert"});
    if (command.view && certificates) command.view->show(certificate_authority, FileView::Use::write);
    return command;
}

Task<> manufacture(Environment& environment, std::shared_ptr<const EmulatedTpm> tpm) {
    auto begin = [tpm] { return begin_manufacture(*tpm); };
    auto finish = [tpm] { finish_tpm_state(tpm->state); };
    auto drop = [tpm] { drop_unfinished_tpm_state(tpm->state); };
    std::exception_ptr failure;
    try {
        auto command = co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(begin));
        auto what = tpm->name() + ": cannot make its state";
        co_await run_setup(std::move(command), std::move(what));
        co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(finish));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(drop));
    std::rethrow_exception(failure);
}

Command swtpm_command(const EmulatedTpm& tpm, std::shared_ptr<UniqueFd> socket) {
    auto command = helper_command(tpm.site, "swtpm");
    command.arguments = {"socket"};
    if (tpm.is_2()) command.arguments.emplace_back("--tpm2");
    const auto add = [&](std::string option, std::string value) {
        command.arguments.insert(command.arguments.end(), {std::move(option), std::move(value)});
    };
    add("--ctrl", fmt::format("type=unixio,clientfd={}", command.pass(std::move(socket))));
    add("--tpmstate", fmt::format("dir={},mode=0600", show_state(command, tpm.state)));
    command.arguments.emplace_back("--terminate"); // when QEMU has gone
    if (!tpm.key) return command;
    // What QEMU saves or sends of it is encrypted with the same key.
    for (const char* option : {"--key", "--migration-key"})
        add(option, fmt::format("pwdfd={},mode=aes-256-cbc", pass_key(command, *tpm.key)));
    return command;
}

/// QEMU asks for the same and goes on when it is refused, with a TPM that never answers the guest.
void require_opens(const EmulatedTpm& tpm, const UniqueFd& control) {
    constexpr std::uint32_t begin = 2; // CMD_INIT of swtpm's control channel (tpm_ioctl.h), and no flags
    const std::array<std::uint32_t, 2> request{htonl(begin), 0};
    std::uint32_t result = 0;
    pollfd answer{control.get(), POLLIN, 0};
    if (::send(control.get(), request.data(), sizeof request, MSG_NOSIGNAL) != sizeof request
        || ::poll(&answer, 1, opening_timeout_ms) <= 0
        || ::recv(control.get(), &result, sizeof result, MSG_WAITALL) != sizeof result)
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: {}: swtpm does not answer", tpm.name()));
    if (result == 0) return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: {}: swtpm cannot open the state in '{}' (TPM error {:#x})", tpm.name(),
                            tpm.state.string(), ntohl(result)))
        .hint(tpm.key
                  ? "give the secret the value that it had when the state was made, or forget the state: 'domus "
                    "undefine DOMAIN --tpm'"
                  : "put a copy of the state there that is whole, or forget the state: 'domus undefine DOMAIN --tpm'");
}

Task<std::optional<Sensitive>> key_of(Environment& environment, const model::Tpm& tpm) {
    if (!tpm.backend.encryption_secret) co_return std::nullopt;
    model::SecretReference reference;
    reference.type = model::SecretType::vtpm;
    reference.uuid = tpm.backend.encryption_secret;
    auto device = fmt::format("tpm '{}'", *tpm.alias);
    auto value = co_await secret_value(environment, std::move(reference), std::move(device));
    co_return value;
}

/// Made if it has none yet, and with the PCR banks that the definition wants.
Task<> prepare_state(Environment& environment, std::shared_ptr<EmulatedTpm> tpm, bool incoming) {
    auto look = [tpm, incoming] {
        const bool there = fs::is_directory(tpm->state);
        if (there || !incoming) return there;
        begin_tpm_state(tpm->state, own_user()); // saved memory has all of the state in it
        finish_tpm_state(tpm->state);
        return true;
    };
    const bool there = co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(look));
    if (!there) co_await manufacture(environment, tpm);
    const bool reconfigure = there && !incoming && !wanted_banks(tpm->tpm.backend).empty();
    auto give = [tpm] {
        give_tpm_state(tpm->state, tpm->site.user.value_or(own_user()));
        auto command = setup_command(*tpm, tpm->site, tpm->state);
        command.arguments.emplace_back("--reconfigure");
        return command;
    };
    auto command = co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(give));
    auto what = tpm->name() + ": cannot change its PCR banks";
    if (reconfigure) co_await run_setup(std::move(command), std::move(what));
}

} // namespace

Task<StartedHelper> start_tpm(Environment& environment, HelperSite site, model::Tpm wanted, Uuid uuid, bool incoming) {
    auto tpm = std::make_shared<EmulatedTpm>();
    tpm->site = std::move(site);
    tpm->tpm = std::move(wanted);
    tpm->uuid = uuid;
    tpm->state =
        tpm_state(environment.store.folders(), uuid, tpm->tpm.backend.version.value_or(model::TpmVersion::v2_0));
    tpm->key = co_await key_of(environment, tpm->tpm);
    co_await prepare_state(environment, tpm, incoming);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw system_error(errno, "cannot make a pair of sockets");
    const auto own = std::make_shared<UniqueFd>(ends[0]), other = std::make_shared<UniqueFd>(ends[1]);
    auto serve = [tpm, other] { return swtpm_command(*tpm, other); };
    auto command = co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(serve));
    StartedHelper started;
    auto helper = co_await start_helper(std::move(command), *tpm->tpm.alias);
    started.helper = std::move(helper);
    started.socket = own;
    if (incoming) co_return started; // the state comes with the memory
    auto open = [tpm, own] { require_opens(*tpm, *own); };
    co_await environment.files.run(Deadline::in(tpm_file_timeout), std::move(open));
    co_return started;
}

} // namespace domus::compute
