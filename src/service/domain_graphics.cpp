// Displays of domains for clients that see them through a descriptor.
#include "service/domains.hpp"

#include "base/log.hpp"
#include "service/flags.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace domus::service {

namespace {
constexpr unsigned skip_authentication = 1; // virDomainOpenGraphicsFlags
}

Task<> DomainOperations::open_graphics(Caller caller, DomainRef ref, unsigned index, UniqueFd client, unsigned flags) {
    require_flags(flags, skip_authentication, "virDomainOpenGraphics");
    const auto domain = find(ref);
    log::info("open display {} of domain '{}' asked by uid {} (connection {})", index, domain->name(), caller.who.uid,
              caller.connection);
    co_await compute::open_graphics(domain, index, std::move(client), (flags & skip_authentication) != 0);
}

Task<UniqueFd> DomainOperations::open_graphics_fd(Caller caller, DomainRef ref, unsigned index, unsigned flags) {
    require_flags(flags, skip_authentication, "virDomainOpenGraphicsFD");
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        throw system_error(errno, "cannot make a socket for the display", ErrorDomain::qemu);
    UniqueFd ours(ends[0]), theirs(ends[1]);
    co_await open_graphics(std::move(caller), std::move(ref), index, std::move(ours), flags);
    co_return std::move(theirs);
}

} // namespace domus::service
