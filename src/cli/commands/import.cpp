// Taking over what libvirtd kept: secrets with their values, definitions of networks, storage pools and domains, and
// which of them start with the host. The folder is read and nothing in it is changed.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "os/cipher.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace domus::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_definition = 16u << 20;

enum class Result { imported, would_be, there, refused };

struct Outcome {
    std::string kind, name;
    Result result;
    std::string note;
};

std::string_view word(Result result) {
    switch (result) {
    case Result::imported:
        return "imported";
    case Result::would_be:
        return "would be imported";
    case Result::there:
        return "there already";
    case Result::refused:
        return "refused";
    }
    return "";
}

/// A kind of object: where libvirtd keeps it, and the calls that it takes.
struct Kind {
    std::string_view name, element, folder, autostart;
    std::optional<std::string> (*uuid_of)(Call&,
                                          const std::string& name); ///< of the one with that name, if there is one
    void (*define)(Call&, const std::string& xml, const fs::path& file, bool autostart);
};

template <class Look> std::optional<std::string> uuid_if_there(ErrorCode missing, Look&& look) {
    try {
        return look().uuid.text();
    } catch (const Error& error) {
        if (error.code() == missing) return std::nullopt;
        throw;
    }
}

std::optional<std::string> secret_uuid(Call& call, const std::string& text) {
    const auto uuid = Uuid::parse(text);
    if (!uuid) fail("'{}' is no UUID", text);
    return uuid_if_there(ErrorCode::no_secret, [&] { return call.server().call<Procedure::secret_lookup_by_uuid>({.uuid = *uuid}).secret; });
}
/// The value stands beside the definition, in base64, unless none was ever set.
void define_secret(Call& call, const std::string& xml, const fs::path& file, bool) {
    auto value_file = file;
    value_file.replace_extension(".base64");
    std::optional<Sensitive> value;
    if (fs::exists(value_file)) {
        value = base64_decode(Sensitive(read_file(value_file, largest_definition)).view());
        if (!value) fail("'{}' is not base64", value_file.string());
    }
    const auto made = call.server().call<Procedure::secret_define_xml>({.xml = xml, .flags = 0}).secret;
    if (!value) return;
    wire::SecretSetValueArgs request{.secret = made, .value = {std::string(value->view())}, .flags = 0};
    call.server().call<Procedure::secret_set_value>(request);
    cleanse(request.value.bytes);
}

std::optional<std::string> network_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_network,
                         [&] { return call.server().call<Procedure::network_lookup_by_name>({.name = name}).net; });
}
void define_network(Call& call, const std::string& xml, const fs::path&, bool autostart) {
    const auto made = call.server().call<Procedure::network_define_xml>({.xml = xml}).net;
    if (autostart) call.server().call<Procedure::network_set_autostart>({.net = made, .autostart = 1});
}

std::optional<std::string> pool_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_storage_pool, [&] {
        return call.server().call<Procedure::storage_pool_lookup_by_name>({.name = name}).pool;
    });
}
void define_pool(Call& call, const std::string& xml, const fs::path&, bool autostart) {
    const auto made = call.server().call<Procedure::storage_pool_define_xml>({.xml = xml, .flags = 0}).pool;
    if (autostart) call.server().call<Procedure::storage_pool_set_autostart>({.pool = made, .autostart = 1});
}

std::optional<std::string> domain_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_domain,
                         [&] { return call.server().call<Procedure::domain_lookup_by_name>({.name = name}).dom; });
}
void define_domain(Call& call, const std::string& xml, const fs::path&, bool autostart) {
    const auto made = call.server().call<Procedure::domain_define_xml>({.xml = xml}).dom;
    if (autostart) call.server().call<Procedure::domain_set_autostart>({.dom = made, .autostart = 1});
}

/// In the order in which they need each other.
constexpr Kind kinds[]{
    {"secret", "secret", "secrets", "", secret_uuid, define_secret},
    {"network", "network", "qemu/networks", "qemu/networks/autostart", network_uuid, define_network},
    {"pool", "pool", "storage", "storage/autostart", pool_uuid, define_pool},
    {"domain", "domain", "qemu", "qemu/autostart", domain_uuid, define_domain},
};

std::vector<fs::path> definitions_in(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
        if (entry.path().extension() == ".xml" && entry.is_regular_file()) files.push_back(entry.path());
    if (none && none != std::errc::no_such_file_or_directory)
        fail("cannot read '{}': {}", folder.string(), none.message());
    std::ranges::sort(files);
    return files;
}

Outcome import_one(Call& call, const Kind& kind, const fs::path& folder, const fs::path& file) {
    Outcome outcome{std::string(kind.name), file.stem().string(), Result::refused, {}};
    try {
        const auto xml = read_file(file, largest_definition);
        const auto document = parse_xml(xml);
        const auto root = document.child(std::string(kind.element).c_str());
        if (!root) fail("it is no <{}>", kind.element);
        const std::string uuid = root.child_value("uuid");
        const std::string name = root.child_value("name");
        outcome.name = name.empty() ? uuid : name; // secrets have none
        const bool autostart = !kind.autostart.empty() && fs::exists(fs::symlink_status(folder / kind.autostart / file.filename()));
        const auto there = kind.uuid_of(call, outcome.name);
        if (there && *there != uuid) fail("another {} with that name has the UUID {}", kind.name, *there);
        if (there && !call.args.flag("replace")) {
            outcome.result = Result::there;
            return outcome;
        }
        if (autostart) outcome.note = "starts with the host";
        if (call.args.flag("dry-run")) {
            outcome.result = Result::would_be;
            return outcome;
        }
        kind.define(call, xml, file, autostart);
        outcome.result = Result::imported;
    } catch (const Failure& failure) {
        outcome.note = failure.lines().empty() ? "" : failure.lines().front();
    } catch (const Error& error) {
        outcome.note = error.message();
    }
    return outcome;
}

/// Guests that libvirtd still runs: here they would be a second one on the same disks.
void warn_of_running(Call& call, const fs::path& run) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(run, none)) {
        if (entry.path().extension() != ".pid") continue;
        const int pid = std::atoi(read_file(entry.path(), 64).c_str());
        if (pid <= 0 || (::kill(pid, 0) < 0 && errno == ESRCH)) continue;
        call.out.complain(
            fmt::format("domain '{}' runs under libvirtd (process {}): end it there before it is started here",
                        entry.path().stem().string(), pid));
    }
}

void warn_of_others(Call& call, const fs::path& folder) {
    const auto below = folder / "nwfilter";
    if (const auto files = definitions_in(below); !files.empty())
        call.out.complain(fmt::format("{} network filters in '{}' are left out: this version has none", files.size(), below.string()));
}

fs::path usual_folder() {
    if (::geteuid() == 0) return "/etc/libvirt";
    if (const char* configuration = std::getenv("XDG_CONFIG_HOME")) return fs::path(configuration) / "libvirt";
    const char* home = std::getenv("HOME");
    return fs::path(home ? home : "/") / ".config/libvirt";
}

void import(Call& call) {
    const fs::path folder = call.args.text("folder").value_or(usual_folder().string());
    if (!fs::is_directory(folder))
        throw Failure(fmt::format("there is no folder '{}'", folder.string()))
            .hint("name the folder that libvirtd kept: 'domus import DIR'");
    Table table{.columns = {{"Kind", "kind"}, {"Name", "name"}, {"Result", "result"}, {"Note", "note"}}, .rows = {}};
    std::size_t refused = 0;
    for (const auto& kind : kinds)
        for (const auto& file : definitions_in(folder / kind.folder)) {
            auto outcome = import_one(call, kind, folder, file);
            refused += outcome.result == Result::refused;
            table.rows.push_back({outcome.kind, outcome.name, std::string(word(outcome.result)), outcome.note});
        }
    call.out.table(table);
    warn_of_others(call, folder);
    if (folder == "/etc/libvirt") warn_of_running(call, "/run/libvirt/qemu");
    if (refused == 0) return;
    call.out.finish(); // what was imported is told, whatever was refused
    throw Failure(fmt::format("{} of {} definitions were refused", refused, table.rows.size()))
        .hint("mend them in a copy of the folder and import that, or define them one by one");
}

} // namespace

std::vector<Command> import_commands() {
    return {
        {.name = "import",
         .group = Group::self,
         .summary = "take over what libvirtd kept",
         .about = "Defines the secrets, networks, storage pools and domains whose definitions libvirtd has below a folder, with "
                  "their UUIDs, and sets which of "
                  "them start with the host. The folder is not changed; what is there already stays as it is. End "
                  "libvirtd's guests before they are "
                  "started here.",
         .options = {text("folder", "libvirtd's folder; /etc/libvirt, or ~/.config/libvirt for other users than root",
                          Complete::folder),
                     flag("dry-run", "say what would be done"),
                     flag("replace", "define anew what is there already with the same name and UUID")},
         .run = import}};
}

} // namespace domus::cli
