#include "os/credentials.hpp"

#include "base/error.hpp"
#include "base/number.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus {

namespace {

constexpr std::string_view mark_begin = "<!-- on behalf of uid ", mark_middle = " gid ", mark_end = " -->";

/// Those that the system's lists say; a user that they do not know has the one group.
std::vector<gid_t> groups_of(uid_t uid, gid_t gid) {
    char buffer[4096];
    passwd entry{}, *user = nullptr;
    if (::getpwuid_r(uid, &entry, buffer, sizeof buffer, &user) != 0 || !user) return {gid};
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(user->pw_name, gid, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        if (::getgrouplist(user->pw_name, gid, groups.data(), &count) < 0) return {gid};
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

} // namespace

bool Credentials::unrestricted() const { return root() || uid == ::geteuid(); }

bool Granted::includes(const Credentials& who) const {
    return who.unrestricted() || users.contains(who.uid) || groups.contains(who.gid)
           || std::ranges::any_of(who.groups, [this](gid_t group) { return groups.contains(group); });
}

std::string owner_mark(const std::optional<Credentials>& owner) {
    if (!owner || owner->unrestricted()) return {};
    return fmt::format("{}{}{}{}{}\n", mark_begin, owner->uid, mark_middle, owner->gid, mark_end);
}

std::optional<Credentials> read_owner_mark(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    text.remove_prefix(text.rfind('\n') + 1); // the last line
    if (!text.starts_with(mark_begin) || !text.ends_with(mark_end)) return std::nullopt;
    text.remove_prefix(mark_begin.size());
    text.remove_suffix(mark_end.size());
    const auto middle = text.find(mark_middle);
    if (middle == text.npos) return std::nullopt;
    const auto uid = parse_number<unsigned>(text.substr(0, middle));
    const auto gid = parse_number<unsigned>(text.substr(middle + mark_middle.size()));
    if (!uid || !gid) return std::nullopt;
    return Credentials{*uid, *gid, 0, groups_of(*uid, *gid)};
}

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

Credentials own_credentials() { return {::geteuid(), ::getegid(), ::getpid(), {}}; }

bool may_change_user() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capget, &header, data) < 0) return false;
    constexpr unsigned needed = (1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_CHOWN);
    return (data[0].effective & needed) == needed;
}

std::optional<uid_t> find_user(const std::string& name) {
    if (const auto* entry = ::getpwnam(name.c_str())) return entry->pw_uid;
    return parse_number<unsigned>(name);
}

std::optional<gid_t> find_group(const std::string& name) {
    if (const auto* entry = ::getgrnam(name.c_str())) return entry->gr_gid;
    return parse_number<unsigned>(name);
}

} // namespace domus
