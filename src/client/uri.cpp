#include "client/uri.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
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
        const auto cache = where.environment("XDG_CACHE_HOME");
        folder = runtime ? *runtime : cache ? *cache : where.environment("HOME").value_or("/") + "/.cache";
    }
    std::vector<std::string> names{folder + "/domus/" + name, folder + "/libvirt/" + name};
    // As with stock clients: the system's daemon serves root's session where root runs no other.
    if (session && where.root) std::ranges::copy(socket_names(false, readonly, where), std::back_inserter(names));
    return names;
}

/// Only the sockets that are there, or all when none is.
std::vector<std::string> present(std::vector<std::string> sockets, const Surroundings& where) {
    std::vector<std::string> found;
    for (const auto& socket : sockets)
        if (where.exists(socket)) found.push_back(socket);
    return found.empty() ? sockets : found;
}

Error bad_value(std::string_view key, const std::string& value, std::string_view known) {
    return Error(ErrorCode::invalid_arg, ErrorDomain::remote,
                 fmt::format("Failed to parse value of URI component {}: '{}'", key, value))
        .hint(fmt::format("it can be {}", known));
}

bool is_on(std::string_view key, const std::string& value) {
    if (value.empty() || value.find_first_not_of("0123456789") != value.npos) throw bad_value(key, value, "0 or 1");
    return value.find_first_not_of('0') != value.npos;
}

void take_proxy(Target& target, const std::string& value) {
    using enum Target::Proxy;
    static const std::map<std::string, Target::Proxy, std::less<>> known{
        {"auto", automatic}, {"netcat", netcat}, {"native", native}};
    const auto found = known.find(value);
    if (found == known.end()) throw bad_value("proxy", value, "auto, netcat or native");
    target.proxy = found->second;
}

void take_known_hosts_verify(Target& target, const std::string& value) {
    static const std::map<std::string, std::string_view, std::less<>> known{
        {"normal", "ask"}, {"auto", "accept-new"}, {"ignore", "no"}};
    const auto found = known.find(value);
    if (found == known.end()) throw bad_value("known_hosts_verify", value, "normal, auto or ignore");
    target.ssh_options.push_back(fmt::format("StrictHostKeyChecking={}", found->second));
}

/// libvirt's words for ways to log in, which ssh has other names for.
void take_sshauth(Target& target, const std::string& value) {
    std::vector<std::string> methods;
    bool agent = false, keys = false;
    std::string_view rest = value;
    while (!rest.empty()) {
        const auto word = cut(rest, ",");
        if (!rest.empty()) rest.remove_prefix(1);
        agent |= word == "agent";
        keys |= word == "privkey";
        const std::string method(word == "agent" || word == "privkey" ? "publickey" : word);
        if (method != "publickey" && method != "password" && method != "keyboard-interactive")
            throw bad_value("sshauth", std::string(word), "agent, privkey, password, keyboard-interactive");
        if (std::ranges::find(methods, method) == methods.end()) methods.push_back(method);
    }
    if (methods.empty()) throw bad_value("sshauth", value, "agent, privkey, password, keyboard-interactive");
    target.ssh_options.push_back(fmt::format("PreferredAuthentications={}", fmt::join(methods, ",")));
    if (keys && !agent) target.ssh_options.emplace_back("IdentityAgent=none");
}

/// What the client does with a parameter; none of them goes to the server.
struct Parameter {
    std::string_view name;
    void (*take)(Target& target, const std::string& value);
};
constexpr auto parameters = std::to_array<Parameter>({
    {"socket", [](Target& target, const std::string& value) { target.sockets = {value}; }},
    {"netcat", [](Target& target, const std::string& value) { target.netcat = value; }},
    {"proxy", take_proxy},
    {"command", [](Target& target, const std::string& value) { target.command = value; }},
    {"keyfile", [](Target& target, const std::string& value) { target.key_file = value; }},
    {"no_verify",
     [](Target& target, const std::string& value) {
         if (is_on("no_verify", value)) target.ssh_options.emplace_back("StrictHostKeyChecking=no");
     }},
    {"no_tty",
     [](Target& target, const std::string& value) {
         if (is_on("no_tty", value)) target.ssh_options.emplace_back("BatchMode=yes");
     }},
    {"known_hosts",
     [](Target& target, const std::string& value) { target.ssh_options.push_back("UserKnownHostsFile=" + value); }},
    {"known_hosts_verify", take_known_hosts_verify},
    {"sshauth", take_sshauth},
    {"name", [](Target& target, const std::string& value) { target.name = value; }},
    {"mode", // of libvirt's split daemons: there is one daemon here
     [](Target&, const std::string& value) {
         if (value != "auto" && value != "legacy" && value != "direct")
             throw bad_value("mode", value, "auto, legacy or direct");
     }},
    {"auth", [](Target&, const std::string&) {}}, // our daemons ask for none
    {"authfile", [](Target&, const std::string&) {}},
    {"no_sanity", [](Target&, const std::string&) {}}, // of the TLS transport, as those below
    {"pkipath", [](Target&, const std::string&) {}},
    {"tls_priority", [](Target&, const std::string&) {}},
});

void take_parameters(Target& target, const Parts& parts) {
    for (const auto& [key, value] : parts.query) {
        const auto known = std::ranges::find(parameters, key, &Parameter::name);
        if (known == parameters.end()) {
            std::vector<std::string_view> names;
            for (const auto& each : parameters) names.push_back(each.name);
            throw Error(ErrorCode::invalid_arg, ErrorDomain::remote,
                        fmt::format("the URI has an unknown parameter '{}'", key))
                .hint(fmt::format("known are {}", fmt::join(names, ", ")));
        }
        known->take(target, value);
    }
    const bool netcat_wanted = !target.netcat.empty() || !target.sockets.empty();
    if (target.proxy == Target::Proxy::automatic && netcat_wanted) target.proxy = Target::Proxy::netcat;
}

std::string name_for_server(const Parts& parts) {
    return (parts.driver == "domus" ? "qemu" : parts.driver) + "://" + parts.path;
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
    throw Error(
        ErrorCode::invalid_arg, ErrorDomain::remote,
        fmt::format(
            "remote_open: transport in URL not recognised (should be tls|unix|ssh|ext|tcp|libssh2|libssh): '{}'",
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
            .environment = [](std::string_view name) -> std::optional<std::string> {
                const char* value = std::getenv(std::string(name).c_str());
                if (!value || !*value) return std::nullopt;
                return value;
            },
            .exists =
                [](const std::string& path) {
                    struct stat status{};
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
    take_parameters(target, parts);
    if (target.transport == Target::Transport::unix_socket && target.sockets.empty())
        target.sockets = present(socket_names(target.session, readonly, where), where);
    if (target.transport == Target::Transport::command && target.command.empty())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::remote, "missing command for ext transport");
    if (target.transport == Target::Transport::tcp && target.port.empty()) target.port = "16509";
    return target;
}

} // namespace domus::client
