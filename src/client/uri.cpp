#include "client/uri.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <utility>

namespace domus::client {

namespace {

struct Parts {
    std::string driver;
    std::string transport;
    std::string user;
    std::string host;
    std::string port;
    std::string path;
    std::vector<std::pair<std::string, std::string>> query;
};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// Cuts what comes before the first of `marks` off `text`; the mark stays.
std::string_view cut(std::string_view& text, std::string_view marks) {
    const auto at = std::min(text.find_first_of(marks), text.size());
    const auto piece = text.substr(0, at);
    text.remove_prefix(at);
    return piece;
}

void read_authority(std::string_view text, Parts& parts) {
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
        parts.user = unescaped(text.substr(0, at));
        text.remove_prefix(at + 1);
    }
    if (text.starts_with('[')) { // an IPv6 address
        const auto end = text.find(']');
        parts.host = text.substr(1, end == std::string_view::npos ? end : end - 1);
        text.remove_prefix(std::min(end, text.size() - 1) + 1);
    } else {
        parts.host = cut(text, ":");
    }
    if (text.starts_with(':')) parts.port = text.substr(1);
}

Parts split(std::string_view uri) {
    Parts parts;
    const auto whole = uri;
    const auto scheme = cut(uri, ":/?#");
    if (!uri.starts_with(':') || scheme.empty())
        throw Error(ErrorCode::no_connect, ErrorDomain::none,
                    fmt::format("no connection driver available for URI '{}' does not include a driver name", whole))
            .hint("a URI looks like qemu:///system or qemu+ssh://host/system");
    const auto plus = scheme.find('+');
    parts.driver = scheme.substr(0, plus);
    if (plus != std::string_view::npos) parts.transport = scheme.substr(plus + 1);
    uri.remove_prefix(1);
    if (uri.starts_with("//")) {
        uri.remove_prefix(2);
        read_authority(cut(uri, "/?#"), parts);
    }
    parts.path = unescaped(cut(uri, "?#"));
    if (!uri.starts_with('?')) return parts;
    uri.remove_prefix(1);
    auto query = cut(uri, "#");
    while (!query.empty()) {
        auto pair = cut(query, "&;");
        if (!query.empty()) query.remove_prefix(1);
        const auto key = cut(pair, "=");
        if (!pair.empty()) pair.remove_prefix(1);
        parts.query.emplace_back(unescaped(key), unescaped(pair));
    }
    return parts;
}

std::vector<std::string> socket_names(bool session, bool readonly, const Surroundings& where) {
    const std::string name = readonly && !session ? "libvirt-sock-ro" : "libvirt-sock";
    std::string folder = "/run";
    if (session) {
        const auto runtime = where.environment("XDG_RUNTIME_DIR");
        folder = runtime ? *runtime : where.environment("HOME").value_or("/") + "/.cache";
    }
    return {folder + "/domus/" + name, folder + "/libvirt/" + name};
}

/// Only the sockets that are there, or all when none is.
std::vector<std::string> present(std::vector<std::string> sockets, const Surroundings& where) {
    std::vector<std::string> found;
    for (const auto& socket : sockets)
        if (where.exists(socket)) found.push_back(socket);
    return found.empty() ? sockets : found;
}

bool for_client_only(std::string_view key) {
    for (const auto name : {"socket", "command", "netcat", "proxy", "keyfile", "no_verify", "no_tty", "no_sanity", "pkipath",
                            "sshauth", "known_hosts", "known_hosts_verify", "name", "auth", "tls_priority", "mode"})
        if (key == name) return true;
    return false;
}

std::string name_for_server(const Parts& parts) {
    std::string name = (parts.driver == "domus" ? "qemu" : parts.driver) + "://" + parts.path;
    char mark = '?';
    for (const auto& [key, value] : parts.query) {
        if (key == "name") return value;
        if (for_client_only(key)) continue;
        name += fmt::format("{}{}={}", std::exchange(mark, '&'), key, value);
    }
    return name;
}

Target::Transport transport_of(const Parts& parts) {
    using enum Target::Transport;
    static const std::map<std::string, Target::Transport, std::less<>> known{
        {"unix", unix_socket}, {"ssh", ssh}, {"libssh", ssh}, {"libssh2", ssh}, {"tcp", tcp}, {"ext", command}};
    if (parts.transport.empty() && parts.host.empty()) return unix_socket;
    if (const auto found = known.find(parts.transport); found != known.end()) return found->second;
    if (parts.transport.empty() || parts.transport == "tls")
        throw Error(ErrorCode::no_support, ErrorDomain::remote, "the TLS transport is not there yet")
            .hint(fmt::format("use {}+ssh://{}{}", parts.driver, parts.host, parts.path));
    throw Error(ErrorCode::invalid_arg, ErrorDomain::remote,
                fmt::format("remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh): '{}'",
                            parts.transport));
}

Target default_target(bool readonly, const Surroundings& where) {
    Target target;
    target.session = !where.root;
    target.sockets = present(socket_names(target.session, readonly, where), where);
    return target;
}

} // namespace

Surroundings this_process() {
    return {.root = geteuid() == 0,
            .environment =
                [](std::string_view name) -> std::optional<std::string> {
                    const char* value = std::getenv(std::string(name).c_str());
                    if (!value || !*value) return std::nullopt;
                    return value;
                },
            .exists =
                [](const std::string& path) {
                    struct stat status {};
                    return stat(path.c_str(), &status) == 0;
                }};
}

Target resolve(std::string_view uri, bool readonly, const Surroundings& where) {
    std::string chosen(uri);
    for (const auto variable : {"DOMUS_URI", "LIBVIRT_DEFAULT_URI"})
        if (chosen.empty()) chosen = where.environment(variable).value_or("");
    if (chosen.empty()) return default_target(readonly, where);

    const auto parts = split(chosen);
    Target target;
    target.transport = transport_of(parts);
    target.host = parts.host;
    target.user = parts.user;
    target.port = parts.port;
    target.session = parts.path.ends_with("/session");
    target.name = name_for_server(parts);
    for (const auto& [key, value] : parts.query) {
        if (key == "socket") {
            target.sockets = {value};
            target.forces_netcat = true;
        } else if (key == "netcat") {
            target.netcat = value;
            target.forces_netcat = true;
        } else if (key == "proxy") {
            target.forces_netcat = value == "netcat";
        } else if (key == "command") {
            target.command = value;
        } else if (key == "keyfile") {
            target.key_file = value;
        }
    }
    if (target.transport == Target::Transport::unix_socket && target.sockets.empty())
        target.sockets = present(socket_names(target.session, readonly, where), where);
    if (target.transport == Target::Transport::command && target.command.empty())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::remote, "missing command for ext transport");
    if (target.transport == Target::Transport::tcp && target.port.empty()) target.port = "16509";
    return target;
}

} // namespace domus::client
