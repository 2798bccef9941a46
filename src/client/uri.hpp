// Where a connection URI leads: `qemu:///system`, `domus:///session`, `qemu+unix:///system?socket=/x`,
// `qemu+ssh://me@host:22/system`, `qemu+tcp://host/system`, `qemu+ext:///system?command=relay`; nothing at all means
// the URI of the environment (DOMUS_URI, LIBVIRT_DEFAULT_URI), else the daemon of this user: of the system for root,
// of the session for others.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::client {

struct Target {
    enum class Transport { unix_socket, tcp, ssh, command } transport = Transport::unix_socket;
    /// unix: tried in this order. ssh: what `nc -U` opens there, when the URI says so.
    std::vector<std::string> sockets;
    std::string host;
    std::string user;
    std::string port;
    std::string key_file;
    std::string command; ///< ext: the program that speaks the protocol; ssh: the ssh program, if not `ssh`
    std::string netcat;
    /// ssh: what runs at the other end. `automatic`: our relay or libvirt's helper if it is there, else netcat.
    enum class Proxy { automatic, netcat, native } proxy = Proxy::automatic;
    std::vector<std::string> ssh_options; ///< each is handed over with -o
    bool session = false;
    std::string name; ///< what the daemon is asked to open; empty: its default
};

struct Surroundings {
    bool root = false;
    std::function<std::optional<std::string>(std::string_view)> environment;
    std::function<bool(const std::string&)> exists; ///< whether a socket is there
};
Surroundings this_process();

/// Throws Error no_connect or invalid_arg for what is not understood, with a hint.
Target resolve(std::string_view uri, bool readonly, const Surroundings& where);

} // namespace domus::client
