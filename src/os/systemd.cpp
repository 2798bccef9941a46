#include "os/systemd.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace domus {

namespace {

constexpr int first_handed_over = 3;

std::string variable(const char* name) {
    const char* value = ::getenv(name);
    return value ? value : "";
}

} // namespace

void notify_service_manager(std::string_view state) {
    const auto path = variable("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof address.sun_path) return;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') address.sun_path[0] = '\0';
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    (void)!::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                    length);
}

std::vector<ListeningSocket> take_listening_sockets() {
    std::vector<ListeningSocket> sockets;
    const auto count = std::atoi(variable("LISTEN_FDS").c_str());
    auto names = variable("LISTEN_FDNAMES");
    if (std::atoi(variable("LISTEN_PID").c_str()) == ::getpid()) {
        for (int i = 0; i < count; ++i) {
            const auto colon = std::min(names.find(':'), names.size());
            const int fd = first_handed_over + i;
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            sockets.push_back({names.substr(0, colon), UniqueFd(fd)});
            names.erase(0, colon + 1);
        }
    }
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    return sockets;
}

} // namespace domus
