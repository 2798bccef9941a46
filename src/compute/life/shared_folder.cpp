// virtiofsd: serves a folder of the host to a guest. It is root in a user namespace of its own that has only the guest's
// user in it, which lets it confine itself, and gives it no right over the folder that this user does not have.
#include "compute/life/helpers.hpp"

#include "async/lane.hpp"
#include "base/error.hpp"
#include "engine/virtiofsd.hpp"
#include "os/access.hpp"
#include "os/sockets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto folder_timeout = 30s;
constexpr const char* shared_place = "/shared"; ///< in its view
constexpr rlim_t most_files = 1'000'000;        ///< as virtiofsd would like: one for each file that the guest knows

std::string virtiofsd_of(const model::Filesystem& filesystem) {
    if (filesystem.binary.path) return *filesystem.binary.path;
    if (auto found = engine::find_virtiofsd(); !found.empty()) return found;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                "unsupported configuration: Unable to find a satisfying virtiofsd")
        .because("no file in /usr/share/qemu/vhost-user or /etc/qemu/vhost-user describes one that is there")
        .hint("install it with 'apt install qemu-system-common' (Debian 12) or 'apt install virtiofsd', or name it: "
              "<binary path='...'/>");
}

/// A comma would end it.
std::string escaped(const std::string& path) {
    std::string text;
    for (const char c : path) text += c == ',' ? std::string("\\,") : std::string(1, c);
    return text;
}

std::string options_of(const model::FilesystemBinary& binary, const std::string& source) {
    auto text = "source=" + source;
    if (binary.cache) text += ",cache=" + *binary.cache;
    if (binary.sandbox) text += ",sandbox=" + *binary.sandbox;
    const auto add = [&](const std::optional<model::OnOff>& wanted, std::string_view name) {
        if (wanted) text += fmt::format(",{}{}", *wanted == model::OnOff::on ? "" : "no_", name);
    };
    add(binary.xattr, "xattr");
    add(binary.lock_posix, "posix_lock");
    add(binary.lock_flock, "flock");
    return text;
}

/// What the daemon may give without being privileged for it.
std::uint64_t files_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min(limit.rlim_max, most_files) : 1024;
}

Command virtiofsd_command(const HelperSite& site, const model::Filesystem& filesystem, const Opener& opener,
                          std::shared_ptr<UniqueFd> listening) {
    const auto program = virtiofsd_of(filesystem);
    auto command = helper_command(site, program);
    auto source = escaped(*filesystem.source_dir);
    const auto folder = opener.open(*filesystem.source_dir, O_PATH | O_DIRECTORY);
    if (command.view) {
        command.view->show_folder(shared_place, folder.get(),
                                  filesystem.readonly ? FileView::Use::read : FileView::Use::write);
        command.view->settings = true; // it reads fs.file-max
        source = shared_place;
    } else if (filesystem.readonly) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("unsupported configuration: filesystem '{}': virtiofs cannot be read-only here",
                                filesystem.target))
            .because("this daemon gives its guests no view of their own that would keep them from writing")
            .hint("leave <readonly/> out, or take 9p");
    }
    command.program = "unshare";
    command.arguments = {"--user",
                         "--map-root-user",
                         "--",
                         program,
                         fmt::format("--fd={}", command.pass(std::move(listening))),
                         "-o",
                         options_of(filesystem.binary, source),
                         "--rlimit-nofile=0"};
    if (filesystem.binary.thread_pool_size)
        command.arguments.push_back(fmt::format("--thread-pool-size={}", *filesystem.binary.thread_pool_size));
    const auto files = files_limit();
    command.limits.push_back({RLIMIT_NOFILE, files});
    return command;
}

} // namespace

Task<StartedHelper> start_shared_folder(Environment& environment, HelperSite site, model::Filesystem filesystem,
                                        Opener opener) {
    const auto path = fmt::format("{}/{}.sock", site.folder, *filesystem.alias);
    const auto listening = std::make_shared<UniqueFd>(listen_as(own_credentials(), path));
    const auto connected = std::make_shared<UniqueFd>(connect_to(path)); // it is answered when the helper runs
    ::unlink(path.c_str());
    // A lane of its own: the folder may be on a server that hangs.
    Lane lane(environment.executor, fmt::format("the folder of filesystem '{}'", filesystem.target), 1);
    auto work = [site, filesystem, opener = std::move(opener), listening] {
        return virtiofsd_command(site, filesystem, opener, listening);
    };
    auto command = co_await lane.run(Deadline::in(folder_timeout), std::move(work));
    StartedHelper started;
    auto helper = co_await start_helper(std::move(command), *filesystem.alias);
    started.helper = std::move(helper);
    started.helper.program = "virtiofsd";
    started.socket = connected;
    co_return started;
}

} // namespace domus::compute
