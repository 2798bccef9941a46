#include "daemon/configuration.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/user_ids.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <functional>

namespace domus::daemon {

namespace {

constexpr std::size_t largest_configuration = 1u << 20;

struct Key {
    std::string_view section, name, value, doc;
    std::function<bool(Configuration&, const toml::node&)> set; ///< false: the value is not acceptable
};

template <class Member> std::function<bool(Configuration&, const toml::node&)> store(Member Configuration::* member) {
    return [member](Configuration& configuration, const toml::node& node) {
        if constexpr (std::is_same_v<Member, std::string> || std::is_same_v<Member, bool>) {
            const auto value = node.value_exact<Member>();
            if (value) configuration.*member = *value;
            return value.has_value();
        } else {
            const auto value = node.value_exact<std::int64_t>();
            if (!value || !std::in_range<Member>(*value)) return false;
            configuration.*member = static_cast<Member>(*value);
            return true;
        }
    };
}

/// What would let no client in if it were 0.
std::function<bool(Configuration&, const toml::node&)> store_at_least_one(std::uint32_t Configuration::* member) {
    return [member, any = store(member)](Configuration& configuration, const toml::node& node) {
        return any(configuration, node) && configuration.*member > 0;
    };
}

bool store_user_ids(Configuration& configuration, const toml::node& node) {
    const auto text = node.value_exact<std::string>();
    if (!text || !parse_user_ids(*text)) return false;
    configuration.qemu_user_ids = *text;
    return true;
}

bool set_level(Configuration& configuration, const toml::node& node) {
    const auto text = node.value_exact<std::string>();
    if (!text) return false;
    configuration.log_level = parse_level(*text);
    return true;
}

bool store_list(std::vector<std::string>& into, const toml::node& node) {
    const auto* list = node.as_array();
    if (!list) return false;
    into.clear();
    for (const auto& entry : *list) {
        const auto text = entry.value_exact<std::string>();
        if (!text || text->empty()) return false;
        into.push_back(*text);
    }
    return true;
}

std::function<bool(Configuration&, const toml::node&)> store_texts(std::vector<std::string> Configuration::* member) {
    return [member](Configuration& configuration, const toml::node& node) {
        return store_list(configuration.*member, node);
    };
}

const std::vector<Key>& keys() {
    using C = Configuration;
    static const std::vector<Key> table{
        {"log", "level", "\"info\"", "debug, info, warning or error", set_level},
        {"log", "file", "\"\"", "where the log goes; empty: standard error, which systemd puts into the journal",
         store(&C::log_file)},
        {"log", "json", "false", "one JSON object a line instead of plain lines", store(&C::log_json)},
        {"clients", "max_clients", "5000",
         "connections at once; later ones take the place of those that are not opened yet, or are closed. A tenth, at "
         "most 100, is kept for the socket for changes",
         store_at_least_one(&C::max_clients)},
        {"clients", "max_anonymous_clients", "20",
         "connections whose clients have not opened them yet; while there are more, each has 5 s to do so",
         store(&C::max_anonymous_clients)},
        {"clients", "open_timeout", "60", "seconds that a client has to open its connection otherwise",
         store_at_least_one(&C::open_timeout_s)},
        {"clients", "max_requests_per_client", "64",
         "calls in flight of one client, at most 8 of one that may only read; then reading from it waits",
         store_at_least_one(&C::max_requests_per_client)},
        {"clients", "max_clients_per_user", "1000",
         "connections of one user; this and the following do not bind root on the socket for changes",
         store_at_least_one(&C::max_clients_per_user)},
        {"clients", "max_requests_per_user", "128",
         "calls in flight of one user; then those of his clients wait for one another",
         store_at_least_one(&C::max_requests_per_user)},
        {"clients", "max_queued_per_user", "64",
         "MiB of calls and replies of one user that wait; clients that do not read them are disconnected then",
         store_at_least_one(&C::max_queued_mib_per_user)},
        {"clients", "max_busy_per_user", "500",
         "ms of each second that the daemon spends on one user before all others are served first",
         store_at_least_one(&C::max_busy_ms_per_user)},
        {"clients", "keepalive_interval", "5",
         "seconds of silence after which a client that can answer is asked; 0: never", store(&C::keepalive_interval_s)},
        {"clients", "keepalive_count", "5", "unanswered questions after which a client counts as gone",
         store(&C::keepalive_count)},
        {"sockets", "group", "\"\"",
         "group whose members may connect for changes; empty: libvirt, or else domus, where it exists",
         store(&C::socket_group)},
        {"sockets", "mode", "0o770", "permissions of the socket for changes", store(&C::socket_mode)},
        {"sockets", "read_only_mode", "0o777", "permissions of the socket for reading only",
         store(&C::read_only_socket_mode)},
        {"sockets", "libvirt", "true",
         "also listen on /run/libvirt/libvirt-sock, where stock clients look, unless another daemon owns it",
         store(&C::libvirt_socket)},
        {"http", "socket", "false",
         "serve the REST API on the Unix sockets http-sock and http-sock-ro beside libvirt-sock, for the same users; "
         "'domusd --print-openapi' describes it",
         store(&C::http_socket)},
        {"qemu", "user", "\"\"",
         "user, by name or number, that all guests run as; empty: each guest has a user id of its own",
         store(&C::qemu_user)},
        {"qemu", "group", "\"\"", "group of that user; empty: the group of its name", store(&C::qemu_group)},
        {"qemu", "user_ids", "\"2100000000-2100065535\"",
         "user and group ids, FIRST-LAST, for guests that have one of their own; the first is a group for memory that "
         "guests share. Nothing else of the host may use them",
         store_user_ids},
        {"qemu", "mount_namespaces", "true",
         "each guest sees only what it needs of the file system, if the host permits that",
         store(&C::qemu_mount_namespaces)},
        {"qemu", "sandbox", "true", "run QEMU under its system call filter (-sandbox on)", store(&C::qemu_sandbox)},
        {"qemu", "log_size", "2097152",
         "bytes after which a guest's log, of QEMU or of a character device, is rotated; 0: never",
         store(&C::guest_log_size)},
        {"qemu", "log_backups", "3", "rotated logs that are kept beside it as NAME.0 (the latest), NAME.1 and so on",
         store(&C::guest_log_backups)},
        {"qemu", "crash_dumps", "3",
         "memory dumps of a domain (on_crash coredump-destroy and coredump-restart) that are kept in "
         "/var/lib/domus/qemu/dump: the oldest goes for a new one. 0: none are made",
         store(&C::crash_dumps)},
        {"qemu", "emulators", "[]",
         "programs that users beside root may name as <emulator>; empty: qemu-system-... of /usr/bin and "
         "/usr/local/bin",
         store_texts(&C::emulators)},
        {"qemu", "vnc_listen", "\"127.0.0.1\"",
         "address on which displays listen unless their definition says otherwise", store(&C::vnc_listen)},
        {"rights", "qemu_commandline", "[]",
         "users, and groups as \"@name\", who may hand arguments of their own to QEMU, beside root",
         store_texts(&C::command_line)},
        {"rights", "host_devices", "[]", "likewise, who may give devices of the host to guests and pools",
         store_texts(&C::host_devices)},
    };
    return table;
}

Error bad(const std::filesystem::path& file, const toml::source_region& where, const std::string& what) {
    return Error(ErrorCode::conf_syntax, ErrorDomain::conf,
                 fmt::format("{}, line {}: {}", file.string(), where.begin.line, what))
        .hint("'domusd --print-config' prints every key with its meaning");
}

} // namespace

log::Level parse_level(const std::string& text) {
    if (text == "debug") return log::Level::debug;
    if (text == "info") return log::Level::info;
    if (text == "warning") return log::Level::warning;
    if (text == "error") return log::Level::error;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::conf,
                fmt::format("the log level is '{}', it must be debug, info, warning or error", text));
}

void read_configuration(const std::filesystem::path& file, Configuration& configuration) {
    toml::table parsed;
    try {
        parsed = toml::parse(read_file(file, largest_configuration), file.string());
    } catch (const toml::parse_error& error) {
        throw bad(file, error.source(), std::string(error.description()));
    }
    for (const auto& [section, contents] : parsed) {
        const auto* table = contents.as_table();
        if (!table) throw bad(file, contents.source(), fmt::format("'{}' must be a section", section.str()));
        for (const auto& [name, value] : *table) {
            const auto found = std::ranges::find_if(keys(), [&, s = section.str(), n = name.str()](const Key& key) {
                return key.section == s && key.name == n;
            });
            if (found == keys().end())
                throw bad(file, value.source(), fmt::format("unknown key '{}' in [{}]", name.str(), section.str()));
            if (!found->set(configuration, value))
                throw bad(
                    file, value.source(),
                    fmt::format("'{}' has a value of the wrong kind, its default is {}", name.str(), found->value));
        }
    }
}

std::string default_configuration() {
    std::string text = "# Configuration of domusd: every key with its default.\n";
    std::string_view section;
    for (const auto& key : keys()) {
        if (key.section != section) text += fmt::format("\n[{}]\n", section = key.section);
        text += fmt::format("# {}\n{} = {}\n", key.doc, key.name, key.value);
    }
    return text;
}

} // namespace domus::daemon
