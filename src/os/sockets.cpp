#include "os/sockets.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

namespace domus {

namespace {

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    fmt::format("the socket's path '{}' is too long", path))
            .hint("give the daemon a shorter --root");
    path.copy(address.sun_path, path.size());
    return address;
}

} // namespace

UniqueFd connect_to(const std::string& path) {
    const auto address = unix_address(path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw system_error(errno, fmt::format("cannot connect to '{}'", path), ErrorDomain::qemu);
    return socket;
}

} // namespace domus
