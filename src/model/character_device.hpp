// Byte streams between guest and host: serial and parallel ports, consoles and channels are one type here; the
// element's name says which. Smart cards, random sources and USB redirection use the same kinds of source.
#pragma once

#include "model/address.hpp"
#include "model/common.hpp"

namespace domus::model {

enum class CharacterType {
    null,
    vc,
    pty,
    dev,
    file,
    pipe,
    stdio,
    udp,
    tcp,
    unix_socket,
    spicevmc,
    spiceport,
    nmdm,
    qemu_vdagent,
    dbus,
};
enum class CharacterProtocol { raw, telnet, telnets, tls };
enum class MouseMode { server, client };

/// The host's end. Which members count depends on the type; only udp has two (mode 'bind' and 'connect').
struct CharacterSource {
    CharacterSource(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    CharacterSource(const CharacterSource&);
    CharacterSource(CharacterSource&&) noexcept;
    CharacterSource& operator=(const CharacterSource&);
    CharacterSource& operator=(CharacterSource&&) noexcept;
    ~CharacterSource();

    std::optional<std::string> mode;          ///< tcp, udp, unix: "bind" (we listen), "connect"
    std::optional<std::string> path;          ///< dev, file, pipe, unix; pty: live
    std::optional<std::string> host, service; ///< tcp, udp
    std::optional<std::string> channel;       ///< spiceport, dbus
    std::optional<std::string> master, slave; ///< nmdm
    std::optional<OnOff> append;              ///< file
    std::optional<bool> tls;                  ///< tcp
    Reconnect reconnect;                      ///< tcp, unix
    std::optional<bool> clipboard_copypaste;  ///< qemu-vdagent
    std::optional<MouseMode> mouse_mode;      ///< qemu-vdagent
    std::vector<Seclabel> seclabels;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const CharacterSource&) const;
};

struct CharacterLog {
    std::string file;
    std::optional<OnOff> append;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const CharacterLog&) const = default;
};

/// The guest's end.
struct CharacterTarget {
    std::optional<std::string>
        type; ///< serial: "isa-serial"...; console: "serial", "virtio"; channel: "virtio", "guestfwd"
    std::optional<std::string> name;    ///< channel: "org.qemu.guest_agent.0"
    std::optional<std::string> state;   ///< live: "connected", "disconnected"
    std::optional<std::string> address; ///< guestfwd
    std::optional<unsigned> port;
    std::optional<std::string> model_name; ///< serial: QEMU's device
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const CharacterTarget&) const = default;
};

struct CharacterDevice {
    CharacterDevice(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    CharacterDevice(const CharacterDevice&);
    CharacterDevice(CharacterDevice&&) noexcept;
    CharacterDevice& operator=(const CharacterDevice&);
    CharacterDevice& operator=(CharacterDevice&&) noexcept;
    ~CharacterDevice();

    CharacterType type = CharacterType::pty;
    std::optional<std::string> tty; ///< live, of a console on a pty
    std::vector<CharacterSource> sources;
    std::optional<CharacterProtocol> protocol;
    std::optional<CharacterLog> log;
    CharacterTarget target;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;

    /// The first source; made where there is none.
    CharacterSource& source();
    /// The first source, or an empty one.
    const CharacterSource& source() const;

    static const format::Schema& schema();
    bool operator==(const CharacterDevice&) const;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::CharacterType> =
    word_list("null", "vc", "pty", "dev", "file", "pipe", "stdio", "udp", "tcp", "unix", "spicevmc", "spiceport",
              "nmdm", "qemu-vdagent", "dbus");
template <> inline constexpr auto words<model::CharacterProtocol> = word_list("raw", "telnet", "telnets", "tls");
template <> inline constexpr auto words<model::MouseMode> = word_list("server", "client");
} // namespace domus::format
