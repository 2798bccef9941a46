#include "os/sockets.hpp"

#include "base/error.hpp"
#include "os/credentials.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace domus {

namespace {

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw Error(ErrorCode::conf_syntax, ErrorDomain::rpc,
                    fmt::format("the socket's path '{}' is longer than {} bytes", path, sizeof address.sun_path - 1))
            .hint("choose a shorter --root");
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

bool answers(const std::filesystem::path& path) {
    const auto address = unix_address(path.native());
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return errno == EAGAIN;
    const auto listener = peer_credentials(probe.get()).pid;
    if (listener == 0) return true; // in another PID namespace
    const auto statistics = read_process(listener);
    return statistics && statistics->state != 'Z' && statistics->state != 'X';
}

UniqueFd listen_unix(const std::filesystem::path& path, mode_t mode, std::optional<gid_t> group) {
    const auto address = unix_address(path.native());
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    if (answers(path))
        throw Error(ErrorCode::resource_busy, ErrorDomain::rpc,
                    fmt::format("another daemon answers on '{}'", path.string()))
            .hint("stop it first, or give this one another --root");
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::unlink(path.c_str());
    // The permissions are there before anybody can connect.
    const auto before = ::umask(static_cast<mode_t>(~mode & 0777));
    const int bound = ::bind(socket.get(), where, sizeof address);
    const int number = errno;
    ::umask(before);
    if (!socket || bound < 0)
        throw system_error(number, fmt::format("cannot listen on '{}'", path.string()), ErrorDomain::rpc);
    if ((group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) < 0) || ::listen(socket.get(), 1000) < 0)
        throw system_error(errno, fmt::format("cannot listen on '{}'", path.string()), ErrorDomain::rpc);
    return socket;
}

} // namespace domus
