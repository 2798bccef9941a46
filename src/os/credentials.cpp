#include "os/credentials.hpp"

#include "base/error.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace domus {

namespace {

std::optional<unsigned> number(const std::string& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

} // namespace

Credentials peer_credentials(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        throw system_error(errno, "cannot tell who connected", ErrorDomain::rpc);
    Credentials who{peer.uid, peer.gid, peer.pid, {}};
    who.groups.resize(64);
    size = static_cast<socklen_t>(who.groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, who.groups.data(), &size) < 0 && errno == ERANGE) {
        who.groups.resize(size / sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, who.groups.data(), &size) < 0) size = 0;
    }
    who.groups.resize(size / sizeof(gid_t));
    who.groups.shrink_to_fit();
    return who;
}

Credentials own_credentials() {
    return {::geteuid(), ::getegid(), ::getpid(), {}};
}

std::optional<uid_t> find_user(const std::string& name) {
    if (const auto* entry = ::getpwnam(name.c_str())) return entry->pw_uid;
    return number(name);
}

std::optional<gid_t> find_group(const std::string& name) {
    if (const auto* entry = ::getgrnam(name.c_str())) return entry->gr_gid;
    return number(name);
}

} // namespace domus
