// Who is at the other end of a Unix socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace domus {

struct Credentials {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
    std::vector<gid_t> groups; ///< supplementary ones

    bool root() const { return uid == 0; }
    /// Root, or the user that we run as: what they ask of us they could do themselves.
    bool unrestricted() const;
    bool operator==(const Credentials&) const = default;
};

/// Who may do something beside root, as the configuration says: users by number, and members of groups.
struct Granted {
    std::set<uid_t> users;
    std::set<gid_t> groups;
    bool includes(const Credentials& who) const;
    bool operator==(const Granted&) const = default;
};

/// SO_PEERCRED and SO_PEERGROUPS (unix(7)): as they were when the peer connected. Throws Error.
Credentials peer_credentials(int socket);
Credentials own_credentials();

/// Whether this process may start others as any user and group: root with its capabilities.
bool may_change_user();

/// A line for the end of a file that says on whose behalf the rest was written; empty for one who is unrestricted.
std::string owner_mark(const std::optional<Credentials>& owner);
/// Whose mark ends the text; with the groups that this user has today.
std::optional<Credentials> read_owner_mark(std::string_view text);

/// By name or number; nothing if there is none.
std::optional<uid_t> find_user(const std::string& name);
std::optional<gid_t> find_group(const std::string& name);

} // namespace domus
