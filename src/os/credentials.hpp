// Who is at the other end of a Unix socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace domus {

struct Credentials {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
    std::vector<gid_t> groups; ///< supplementary ones

    bool root() const { return uid == 0; }
};

/// SO_PEERCRED and SO_PEERGROUPS (unix(7)): as they were when the peer connected. Throws Error.
Credentials peer_credentials(int socket);
Credentials own_credentials();

/// By name or number; nothing if there is none.
std::optional<uid_t> find_user(const std::string& name);
std::optional<gid_t> find_group(const std::string& name);

} // namespace domus
