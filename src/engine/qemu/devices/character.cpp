// The host's end of byte streams: QEMU's character devices.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::CharacterSource;
using model::CharacterType;

namespace {

struct Stream {
    std::string_view element;
    int line;
    const std::string& alias;
    const CharacterSource& source;
    const std::vector<CharacterSource>& sources;
    const std::optional<model::CharacterProtocol>& protocol;
    const std::string& socket_name;
};

[[noreturn]] void incomplete(const Stream& stream, std::string_view what) {
    refuse(stream.element, stream.line, fmt::format("its <source> has no {}", what));
}

const std::string& path_of(const Stream& stream) {
    if (!stream.source.path) incomplete(stream, "path");
    return *stream.source.path;
}

void simple(Build&, const Stream&, Options&) {}

/// A path to what was opened for this device, else nothing.
std::optional<std::string> opened(Build& build, const std::map<std::string, SharedFd>& in, const std::string& alias) {
    const auto fd = Build::find(in, alias);
    if (!fd) return std::nullopt;
    return build.path(Launch::Image{{fd}}, {}, alias);
}

void file(Build& build, const Stream& stream, Options& options) {
    const auto open = opened(build, build.launch.characters, stream.alias);
    options.set("path", open ? *open : path_of(stream));
    if (open)
        options.set("append", true); // it was emptied when it was opened
    else if (stream.source.append)
        options.set("append", on(*stream.source.append));
}

void device_file(Build& build, const Stream& stream, Options& options) {
    const auto open = opened(build, build.launch.characters, stream.alias);
    options.set("path", open ? *open : path_of(stream));
}

void set_log(Build& build, const std::string& alias, const model::CharacterLog& log, Options& options) {
    const auto open = opened(build, build.launch.logs, alias);
    options.set("logfile", open ? *open : log.file);
    if (open)
        options.set("logappend", true);
    else if (log.append)
        options.set("logappend", on(*log.append));
}

void reconnect(const Stream& stream, Options& options) {
    const auto& again = stream.source.reconnect;
    if (again.enabled.value_or(false)) options.set("reconnect", again.timeout.value_or(1));
}

bool listens(const Stream& stream, bool otherwise) {
    return stream.source.mode ? *stream.source.mode == "bind" : otherwise;
}

void unix_socket(Build& build, const Stream& stream, Options& options) {
    const auto fd = Build::find(build.launch.characters, stream.alias);
    const bool server = listens(stream, !stream.source.path.has_value());
    if (fd)
        options.set("fd", build.pass(fd));
    else
        options.set("path", stream.source.path.value_or(fmt::format("{}/{}", build.launch.folder, stream.socket_name)));
    if (server)
        options.set("server", true).set("wait", false);
    else if (!fd)
        reconnect(stream, options);
}

void tcp(Build& build, const Stream& stream, Options& options) {
    const bool server = listens(stream, false);
    const auto fd = Build::find(build.launch.characters, stream.alias);
    if (fd)
        options.set("fd", build.pass(fd));
    else
        options.set("host", stream.source.host.value_or("")).set("port", stream.source.service.value_or(""));
    using model::CharacterProtocol;
    const auto protocol = stream.protocol.value_or(CharacterProtocol::raw);
    if (protocol == CharacterProtocol::telnet)
        options.set("telnet", true);
    else if (protocol != CharacterProtocol::raw)
        refuse(stream.element, stream.line, fmt::format("protocol '{}' is not supported", format::word(protocol)));
    if (server)
        options.set("server", true).set("wait", false);
    else
        reconnect(stream, options);
}

void udp(Build&, const Stream& stream, Options& options) {
    for (const auto& source : stream.sources) {
        const bool local = source.mode == "bind";
        options.set(local ? "localaddr" : "host", source.host.value_or(local ? "" : "127.0.0.1"));
        options.set(local ? "localport" : "port", source.service.value_or("0"));
    }
}

void spice_vmc(Build&, const Stream& stream, Options& options) {
    options.set("name", stream.element == "redirdev"    ? "usbredir"
                        : stream.element == "smartcard" ? "smartcard"
                                                        : "vdagent");
}

void spice_port(Build&, const Stream& stream, Options& options) {
    if (!stream.source.channel) incomplete(stream, "channel");
    options.set("name", *stream.source.channel);
}

void vdagent(Build&, const Stream& stream, Options& options) {
    options.set("name", "vdagent");
    if (stream.source.clipboard_copypaste) options.set("clipboard", *stream.source.clipboard_copypaste);
    if (stream.source.mouse_mode) options.set("mouse", *stream.source.mouse_mode == model::MouseMode::client);
}

struct Kind {
    CharacterType type;
    std::string_view backend; ///< QEMU's; empty: not supported
    void (*options)(Build&, const Stream&, Options&);
};
constexpr std::array<Kind, 15> kinds{{
    {CharacterType::null, "null", simple},
    {CharacterType::vc, "vc", simple},
    {CharacterType::pty, "pty", simple},
    {CharacterType::dev, "serial", device_file},
    {CharacterType::file, "file", file},
    {CharacterType::pipe, "pipe", device_file},
    {CharacterType::stdio, "stdio", simple},
    {CharacterType::udp, "udp", udp},
    {CharacterType::tcp, "socket", tcp},
    {CharacterType::unix_socket, "socket", unix_socket},
    {CharacterType::spicevmc, "spicevmc", spice_vmc},
    {CharacterType::spiceport, "spiceport", spice_port},
    {CharacterType::nmdm, "", simple},
    {CharacterType::qemu_vdagent, "qemu-vdagent", vdagent},
    {CharacterType::dbus, "", simple},
}};

} // namespace

std::string add_character(Build& build, std::string_view element, int line, const std::string& alias,
                          CharacterType type, const std::vector<CharacterSource>& sources,
                          const std::optional<model::CharacterProtocol>& protocol,
                          const std::optional<model::CharacterLog>& log, const std::string& socket_name) {
    static const CharacterSource none;
    const auto kind = std::ranges::find(kinds, type, &Kind::type);
    if (kind->backend.empty()) refuse(element, line, fmt::format("type '{}' is not supported", format::word(type)));
    const Stream stream{element, line, alias, sources.empty() ? none : sources.front(), sources, protocol, socket_name};
    // Of whatever type: nobody is to take a connection for encrypted that is not.
    if (std::ranges::any_of(sources, [](const CharacterSource& source) { return source.tls.value_or(false); }))
        refuse(element, line, "TLS for character devices is not supported");
    auto id = "char" + alias;
    Options options(kind->backend);
    options.set("id", id);
    kind->options(build, stream, options);
    if (log) set_log(build, alias, *log, options);
    build.arguments.add("-chardev", options);
    return id;
}

std::string add_character(Build& build, std::string_view element, const model::CharacterDevice& device) {
    const auto name = device.target.name.value_or(*device.alias + ".sock");
    return add_character(build, element, device.rest.line, *device.alias, device.type, device.sources, device.protocol,
                         device.log, name);
}

} // namespace domus::engine::qemu
