// User ids for processes that share one with nobody, from a range that no user database lists. The kernel's process
// table says which are in use; a lock keeps two daemons of one host from choosing the same one at once.
//
//     UserIdClaim claim = UserIdClaim::make(range, hash, "/run/domus-user-ids.lock");
//     command.uid = claim.uid();
//     Process::spawn(command);        // from now on the process itself keeps the id in use
#pragma once

#include "os/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace domus {

struct UserIds {
    uid_t first = 0;
    std::uint32_t count = 0;
    bool operator==(const UserIds&) const = default;
};

/// "2100000000-2100065535"; nothing if it is no range of two or more, or one with root or nobody (-1) in it.
std::optional<UserIds> parse_user_ids(const std::string& text);

/// Whether a process has this real user id (getpriority(2)): one system call.
bool has_processes(uid_t uid);

/// An id that no process has and nobody else claims, until the claim goes out of scope.
class UserIdClaim {
public:
    /// Begins to look at first + start % count, so that the same guest mostly gets the same id. Throws resource_busy
    /// if all are in use.
    static UserIdClaim make(const UserIds& ids, std::uint32_t start, const std::filesystem::path& lock_file);
    uid_t uid() const { return uid_; }

private:
    UserIdClaim(uid_t uid, UniqueFd lock) : uid_(uid), lock_(std::move(lock)) {}
    uid_t uid_;
    UniqueFd lock_;
};

} // namespace domus
