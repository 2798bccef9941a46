#include "compute/sockets.hpp"

#include "base/error.hpp"

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace domus::compute {

namespace {

constexpr int last_port = 65535;

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu, fmt::format("the socket's path '{}' is too long", path))
            .hint("give the daemon a shorter --root");
    path.copy(address.sun_path, path.size());
    return address;
}

/// 0, or the errno of bind and listen. Both tell: a port may be bound twice, but not listened on.
int try_port(const std::string& text, int port) {
    boost::system::error_code failure;
    const auto where = boost::asio::ip::make_address(text, failure);
    if (failure) throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu, fmt::format("'{}' is no address to listen on", text));
    const UniqueFd socket(::socket(where.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    const sockaddr* address = nullptr;
    socklen_t size = 0;
    if (where.is_v6()) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v6.sin6_addr, where.to_v6().to_bytes().data(), 16);
        address = reinterpret_cast<const sockaddr*>(&v6);
        size = sizeof v6;
    } else {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(static_cast<std::uint16_t>(port));
        std::memcpy(&v4.sin_addr, where.to_v4().to_bytes().data(), 4);
        address = reinterpret_cast<const sockaddr*>(&v4);
        size = sizeof v4;
    }
    if (::bind(socket.get(), address, size) < 0 || ::listen(socket.get(), 1) < 0) return errno;
    return 0;
}

} // namespace

UniqueFd listen_on(const std::string& path) {
    const auto address = unix_address(path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::unlink(path.c_str());
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 || ::listen(socket.get(), 1) < 0)
        throw system_error(errno, fmt::format("cannot listen on '{}'", path), ErrorDomain::qemu);
    return socket;
}

UniqueFd connect_to(const std::string& path) {
    const auto address = unix_address(path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw system_error(errno, fmt::format("cannot connect to '{}'", path), ErrorDomain::qemu);
    return socket;
}

int free_tcp_port(const std::string& address, int first) {
    for (int port = first; port <= last_port; ++port)
        if (try_port(address, port) == 0) return port;
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu, fmt::format("no TCP port from {} on is free on {}", first, address));
}

void require_free_tcp_port(const std::string& address, int port) {
    if (const int number = try_port(address, port))
        throw system_error(number, fmt::format("the display cannot listen on {}:{}", address, port), ErrorDomain::qemu)
            .hint(fmt::format("see who has it with 'ss -ltnp sport = :{}', or use autoport='yes'", port));
}

} // namespace domus::compute
