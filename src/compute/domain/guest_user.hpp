// Whom the process of a guest runs as.
#pragma once

#include "os/credentials.hpp"

#include <sys/types.h>
#include <unistd.h>

namespace domus::compute {

struct GuestUser {
    uid_t uid = 0;
    gid_t gid = 0;
    Credentials credentials() const { return {uid, gid, 0, {}}; }
    bool operator==(const GuestUser&) const = default;
};

/// The user that the daemon runs as.
inline GuestUser own_user() { return {::geteuid(), ::getegid()}; }

} // namespace domus::compute
