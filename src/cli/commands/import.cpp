// Taking over what libvirtd kept: secrets with their values, definitions of networks, storage pools and domains, and
// which of them start with the host. The folder is read and nothing in it is changed.
#include "cli/commands/commands.hpp"
#include "cli/import_tpm.hpp"
#include "cli/objects.hpp"
#include "model/pool_types.hpp"
#include "os/cipher.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

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

/// A definition as libvirtd has it.
struct Found {
    fs::path file;
    std::string xml, name, uuid;
    bool autostart = false;
};

/// A kind of object: where libvirtd keeps it, and the calls that it takes.
struct Kind {
    std::string_view name, element, folder, autostart;
    std::optional<std::string> (*uuid_of)(Call&,
                                          const std::string& name); ///< of the one with that name, if there is one
    void (*define)(Call&, const Found& found);
    /// Whether the one that is there goes for libvirtd's; says in a Failure why not.
    void (*require_replaceable)(Call&, const std::string& name);
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
    return uuid_if_there(ErrorCode::no_secret,
                         [&] { return call.server().call<Procedure::secret_lookup_by_uuid>({.uuid = *uuid}).secret; });
}
/// The value stands beside the definition, in base64, unless none was ever set.
std::optional<Sensitive> value_of(const Found& found) {
    auto file = found.file;
    file.replace_extension(".base64");
    if (!fs::exists(fs::symlink_status(file))) return std::nullopt;
    auto value = base64_decode(Sensitive(read_file(file, largest_definition)).view());
    if (!value) fail("'{}' is not base64", file.string());
    return value;
}

void define_secret(Call& call, const Found& found) {
    const auto value = value_of(found);
    const auto made = call.server().call<Procedure::secret_define_xml>({.xml = found.xml, .flags = 0}).secret;
    if (!value) return;
    wire::SecretSetValueArgs request{.secret = made, .value = {std::string(value->view())}, .flags = 0};
    call.server().call<Procedure::secret_set_value>(request);
    cleanse(request.value.bytes);
}

std::optional<std::string> network_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_network,
                         [&] { return call.server().call<Procedure::network_lookup_by_name>({.name = name}).net; });
}
wire::Network network_named(Call& call, const std::string& name) {
    return call.server().call<Procedure::network_lookup_by_name>({.name = name}).net;
}

constexpr unsigned inactive_xml = 1; // VIR_NETWORK_XML_INACTIVE

std::string xml_of(Call& call, const wire::Network& net, unsigned flags) {
    return call.server().call<Procedure::network_get_xml_desc>({.net = net, .flags = flags}).xml;
}

/// What the daemon's first start makes, and nothing else: <forward mode='nat'/>, the bridge, and one subnet with DHCP.
bool is_as_made(const pugi::xml_node& network) {
    constexpr std::string_view known[]{"name",   "uuid", "forward", "nat",  "port",
                                       "bridge", "mac",  "ip",      "dhcp", "range"};
    for (const auto& node : network.children()) {
        if (node.type() != pugi::node_element) continue;
        if (std::ranges::find(known, std::string_view(node.name())) == std::end(known) || !is_as_made(node))
            return false;
    }
    const std::string_view name = network.name();
    const auto has = [&](const char* attribute, std::string_view end) {
        return std::string_view(network.attribute(attribute).value()).ends_with(end);
    };
    if (name == "forward") return has("mode", "nat") && !network.attribute("dev");
    if (name == "bridge") return has("name", "virbr0");
    if (name == "ip") return has("address", ".1") && has("netmask", "255.255.255.0");
    if (name == "range") return has("start", ".2") && has("end", ".254");
    return true;
}

/// The network that the daemon made by itself gives way to libvirtd's, as long as no guest is on it.
void require_unused_default(Call& call, const std::string& name) {
    const auto net = network_named(call, name);
    const auto kept = parse_xml(xml_of(call, net, inactive_xml)), live = parse_xml(xml_of(call, net, 0));
    if (name != "default" || !is_as_made(kept.child("network")))
        fail("another network with that name has the UUID {}", net.uuid.text());
    if (const auto guests = live.child("network").attribute("connections"))
        fail("{} interfaces of guests are on this daemon's network '{}': shut these guests down first", guests.value(),
             name);
}

void start_network(Call& call, const wire::Network& net, bool start, bool autostart) {
    if (autostart) call.server().call<Procedure::network_set_autostart>({.net = net, .autostart = 1});
    if (start) call.server().call<Procedure::network_create>({.net = net});
}

/// The one that is there goes, and comes back if libvirtd's is refused.
void replace_network(Call& call, const Found& found) {
    auto& server = call.server();
    const auto old = network_named(call, found.name);
    const bool active = server.call<Procedure::network_is_active>({.net = old}).active != 0;
    const bool autostart = server.call<Procedure::network_get_autostart>({.net = old}).autostart != 0;
    const auto xml = xml_of(call, old, inactive_xml);
    if (active) server.call<Procedure::network_destroy>({.net = old});
    server.call<Procedure::network_undefine>({.net = old});
    try {
        start_network(call, server.call<Procedure::network_define_xml>({.xml = found.xml}).net, active,
                      found.autostart);
    } catch (const Error&) {
        if (network_uuid(call, found.name)) throw; // it is defined, and only does not start
        start_network(call, server.call<Procedure::network_define_xml>({.xml = xml}).net, active, autostart);
        throw;
    }
}

void define_network(Call& call, const Found& found) {
    const auto there = network_uuid(call, found.name);
    if (there && *there != found.uuid) return replace_network(call, found);
    const auto made = call.server().call<Procedure::network_define_xml>({.xml = found.xml}).net;
    start_network(call, made, false, found.autostart);
}

std::optional<std::string> pool_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_storage_pool, [&] {
        return call.server().call<Procedure::storage_pool_lookup_by_name>({.name = name}).pool;
    });
}
auto pool_named(Call& call, const std::string& name) {
    return call.server().call<Procedure::storage_pool_lookup_by_name>({.name = name}).pool;
}

bool is_active_pool(Call& call, const std::string& name) {
    return call.server().call<Procedure::storage_pool_is_active>({.pool = pool_named(call, name)}).active != 0;
}

std::string pool_xml(Call& call, const std::string& name) {
    return call.server().call<Procedure::storage_pool_get_xml_desc>({.pool = pool_named(call, name), .flags = 0}).xml;
}

/// A pool that the daemon made by itself gives way to libvirtd's, as long as nothing is in it.
void require_empty_default(Call& call, const std::string& name) {
    const auto document = parse_xml(pool_xml(call, name));
    const auto pool = document.child("pool");
    const std::string_view path = pool.child("target").child_value("path");
    const bool made_by_daemon = (name == "default" && path.ends_with("/domus/images"))
                                || (name == "boot-scratch" && path.ends_with("/libvirt/boot"));
    if (!made_by_daemon || pool.attribute("type").value() != model::folder_pool_type)
        fail("another pool with that name has the UUID {}", pool.child_value("uuid"));
    if (is_active_pool(call, name)
        && call.server().call<Procedure::storage_pool_num_of_volumes>({.pool = pool_named(call, name)}).num > 0)
        fail("there are volumes in this daemon's pool '{}': move them, or undefine it first", name);
}

void define_pool_only(Call& call, const std::string& xml, bool start, bool autostart) {
    const auto made = call.server().call<Procedure::storage_pool_define_xml>({.xml = xml, .flags = 0}).pool;
    if (autostart) call.server().call<Procedure::storage_pool_set_autostart>({.pool = made, .autostart = 1});
    if (start) call.server().call<Procedure::storage_pool_create>({.pool = made, .flags = 0});
}

/// The one that is there goes, and comes back if libvirtd's is refused. Its folder stays.
void replace_pool(Call& call, const Found& found) {
    const bool active = is_active_pool(call, found.name);
    const auto xml = pool_xml(call, found.name);
    if (active) call.server().call<Procedure::storage_pool_destroy>({.pool = pool_named(call, found.name)});
    call.server().call<Procedure::storage_pool_undefine>({.pool = pool_named(call, found.name)});
    try {
        define_pool_only(call, found.xml, active, found.autostart);
    } catch (const Error&) {
        if (pool_uuid(call, found.name)) throw; // it is defined, and only does not start
        define_pool_only(call, xml, active, true);
        throw;
    }
}

void define_pool(Call& call, const Found& found) {
    const auto there = pool_uuid(call, found.name);
    if (there && *there != found.uuid) return replace_pool(call, found);
    define_pool_only(call, found.xml, false, found.autostart);
}

std::optional<std::string> domain_uuid(Call& call, const std::string& name) {
    return uuid_if_there(ErrorCode::no_domain,
                         [&] { return call.server().call<Procedure::domain_lookup_by_name>({.name = name}).dom; });
}
void define_domain(Call& call, const Found& found) {
    const auto made = call.server().call<Procedure::domain_define_xml>({.xml = found.xml}).dom;
    if (found.autostart) call.server().call<Procedure::domain_set_autostart>({.dom = made, .autostart = 1});
}

bool has_emulated_tpm(const std::string& xml) {
    const auto document = parse_xml(xml);
    for (const auto& tpm : document.child("domain").child("devices").children("tpm"))
        if (tpm.child("backend").attribute("type").value() == std::string_view("emulator")) return true;
    return false;
}

/// What the guest's TPM keeps, as a note; only where its files are ours to copy.
std::string import_tpm(Call& call, const fs::path& folder, const Found& found) {
    const auto kept = kept_tpm_state(folder, found.uuid);
    std::error_code unreadable;
    if (!has_emulated_tpm(found.xml) || !fs::exists(kept, unreadable)) return {};
    if (::geteuid() != 0) return fmt::format("the state of its TPM stays in '{}'", kept.string());
    return copy_tpm_state(kept, call.args.text("root").value_or("/"), found.uuid) ? "with the state of its TPM" : "";
}

/// In the order in which they need each other.
constexpr Kind kinds[]{
    {"secret", "secret", "secrets", "", secret_uuid, define_secret, nullptr},
    {"network", "network", "qemu/networks", "qemu/networks/autostart", network_uuid, define_network,
     require_unused_default},
    {"pool", "pool", "storage", "storage/autostart", pool_uuid, define_pool, require_empty_default},
    {"domain", "domain", "qemu", "qemu/autostart", domain_uuid, define_domain, nullptr},
};

std::vector<fs::path> definitions_in(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& name : names_in(folder))
        if (name.ends_with(".xml")) files.push_back(folder / name);
    return files;
}

Found read_found(const Kind& kind, const fs::path& folder, const fs::path& file) {
    Found found{.file = file, .xml = read_file(file, largest_definition), .name = {}, .uuid = {}};
    const auto document = parse_xml(found.xml);
    const auto root = document.child(std::string(kind.element).c_str());
    if (!root) fail("it is no <{}>", kind.element);
    const auto uuid = Uuid::parse(root.child_value("uuid"));
    if (!uuid) fail("it has no <uuid>");
    found.uuid = uuid->text();
    found.name = root.child_value("name");
    if (found.name.empty()) found.name = found.uuid; // secrets have none
    if (found.name != file.stem()) fail("the file is not named after the {} '{}' in it", kind.name, found.name);
    found.autostart =
        !kind.autostart.empty() && fs::exists(fs::symlink_status(folder / kind.autostart / file.filename()));
    return found;
}

/// The daemon judges the definition and keeps nothing of it.
void check_only(Call& call, const Kind& kind, Found found, const std::optional<std::string>& there) {
    constexpr std::string_view begin = "<uuid>", end = "</uuid>";
    const auto from = found.xml.find(begin) + begin.size(), to = found.xml.find(end, from);
    if (there && *there != found.uuid && to != found.xml.npos)
        found.xml.replace(from, to - from, *there); // the other will have gone
    if (kind.element == "secret") (void)value_of(found);
    call.server().call<wire::DomusProcedure::check_definition>({.xml = found.xml});
}

void import_found(Call& call, const Kind& kind, const Found& found, Outcome& outcome) {
    const auto there = kind.uuid_of(call, found.name);
    const bool another = there && *there != found.uuid;
    if (another && !kind.require_replaceable) fail("another {} with that name has the UUID {}", kind.name, *there);
    if (another) kind.require_replaceable(call, found.name);
    if (there && !another && !call.args.flag("replace")) {
        outcome.result = Result::there;
        return;
    }
    if (another || call.args.flag("dry-run")) check_only(call, kind, found, there);
    if (!call.args.flag("dry-run")) kind.define(call, found);
    outcome.result = call.args.flag("dry-run") ? Result::would_be : Result::imported;
    if (found.autostart) outcome.note = "starts with the host";
    if (another) outcome.note += fmt::format("{}in place of this daemon's own", outcome.note.empty() ? "" : "; ");
}

/// `seen`: the UUIDs of those before.
Outcome import_one(Call& call, const Kind& kind, const fs::path& folder, const fs::path& file,
                   std::set<std::string>& seen) {
    Outcome outcome{std::string(kind.name), file.stem().string(), Result::refused, {}};
    try {
        const auto found = read_found(kind, folder, file);
        outcome.name = found.name;
        if (!seen.insert(found.uuid).second) fail("another {} here has its UUID {}", kind.name, found.uuid);
        import_found(call, kind, found, outcome);
        if (kind.element != "domain" || outcome.result != Result::imported) return outcome;
        if (const auto note = import_tpm(call, folder, found); !note.empty())
            outcome.note += (outcome.note.empty() ? "" : "; ") + note;
    } catch (const Failure& failure) {
        outcome.note = failure.lines().empty() ? "" : failure.lines().front();
    } catch (const Error& error) {
        outcome.note = error.message();
    } catch (const fs::filesystem_error& error) {
        outcome.note = error.what();
    }
    return outcome;
}

/// Guests that libvirtd still runs: here they would be a second one on the same disks.
void warn_of_running(Call& call, const fs::path& run) {
    for (const auto& name : names_in(run)) {
        if (!name.ends_with(".pid")) continue;
        int pid = 0;
        try {
            pid = std::atoi(read_file(run / name, 64).c_str());
        } catch (const Error& error) {
            call.out.complain(error.message());
        }
        if (pid <= 0 || (::kill(pid, 0) < 0 && errno == ESRCH)) continue;
        call.out.complain(
            fmt::format("domain '{}' runs under libvirtd (process {}): end it there before it is started here",
                        fs::path(name).stem().string(), pid));
    }
}

void warn_of_others(Call& call, const fs::path& folder) {
    const auto below = folder / "nwfilter";
    if (const auto files = definitions_in(below); !files.empty())
        call.out.complain(fmt::format("{} network filters in '{}' are left out: define those that are your own with "
                                      "'domus nwfilter-define FILE'",
                                      files.size(), below.string()));
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
    for (const auto& kind : kinds) {
        std::set<std::string> seen;
        for (const auto& file : definitions_in(folder / kind.folder)) {
            auto outcome = import_one(call, kind, folder, file, seen);
            refused += outcome.result == Result::refused;
            table.rows.push_back({outcome.kind, outcome.name, std::string(word(outcome.result)), outcome.note});
        }
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
         .summary = "import libvirtd's definitions",
         .about = "Defines the secrets, networks, storage pools and domains that libvirtd has defined below a folder, "
                  "with their UUIDs, and sets which of them start at boot. The folder is not changed. Existing objects "
                  "are kept, except the network 'default' and the pools 'default' and 'boot-scratch' that the daemon "
                  "made by itself: libvirtd's replace them while no guest is on the network and no volume in the pool. "
                  "Root also copies the state of emulated TPMs. Stop libvirtd's guests before you start them here.",
         .options = {text("folder",
                          "libvirtd's folder; /etc/libvirt by default, ~/.config/libvirt for other users than root",
                          Complete::folder),
                     named(text("root", "root folder of the daemon's paths, as for 'domusd --root'", Complete::folder)),
                     flag("dry-run", "show what would be imported and what would be refused"),
                     flag("replace", "replace existing objects with the same name and UUID")},
         .run = import}};
}

} // namespace domus::cli
