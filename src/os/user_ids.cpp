#include "os/user_ids.hpp"

#include "base/number.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>

namespace domus {

namespace {

constexpr std::uint64_t nobody = static_cast<uid_t>(-1);

/// One byte of the file stands for each id. The lock belongs to the open file, so it also holds between two guests of
/// one daemon (fcntl(2), open file description locks).
bool lock_id(int fd, uid_t uid, short type) {
    const auto range = lock_range(type, uid, 1);
    if (::fcntl(fd, F_OFD_SETLK, &range) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    throw system_error(errno, "cannot lock a user id");
}

} // namespace

std::optional<UserIds> parse_user_ids(const std::string& text) {
    const auto dash = text.find('-');
    if (dash == text.npos) return std::nullopt;
    const auto first = parse_number<std::uint64_t>(std::string_view(text).substr(0, dash));
    const auto last = parse_number<std::uint64_t>(std::string_view(text).substr(dash + 1));
    if (!first || !last || *first == 0 || *last <= *first || *last >= nobody) return std::nullopt;
    return UserIds{static_cast<uid_t>(*first), static_cast<std::uint32_t>(*last - *first + 1)};
}

bool has_processes(uid_t uid) {
    errno = 0;
    return ::getpriority(PRIO_USER, uid) != -1 || errno == 0;
}

UserIdClaim UserIdClaim::make(const UserIds& ids, std::uint32_t start, const std::filesystem::path& lock_file) {
    auto lock = open_file(lock_file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    for (std::uint32_t i = 0; i < ids.count; ++i) {
        const auto uid = static_cast<uid_t>(ids.first + (std::uint64_t{start} + i) % ids.count);
        if (has_processes(uid) || !lock_id(lock.get(), uid, F_WRLCK)) continue;
        if (!has_processes(uid)) return {uid, std::move(lock)};
        lock_id(lock.get(), uid, F_UNLCK); // somebody took it in between
    }
    throw Error(ErrorCode::resource_busy, ErrorDomain::qemu,
                fmt::format("all {} user ids from {} are in use", ids.count, ids.first))
        .hint("widen the range 'user_ids' in [qemu] of domus.toml");
}

} // namespace domus
