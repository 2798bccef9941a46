#include "compute/domain/judge.hpp"

#include "compute/domain/rights.hpp"
#include "storage/pools.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::compute {

namespace {

/// Variables of UEFI that the daemon keeps itself are named in what it prints.
void forget_own_variables(const Environment& environment, model::Domain& domain) {
    const auto own = environment.store.variables_path(domain.name);
    if (domain.os.nvram.path == own.string()) domain.os.nvram.path.reset();
}

/// Memory that guests share already is theirs to share, whoever starts the next one.
void forget_shared_memory(const Environment& environment, model::Domain& domain) {
    const auto guests = environment.settings.sharing_group();
    std::erase_if(domain.devices.shmems, [&](const model::SharedMemory& memory) {
        struct stat info{};
        return guests && memory.name.find('/') == std::string::npos
               && ::lstat(("/dev/shm/" + memory.name).c_str(), &info) == 0 && S_ISREG(info.st_mode)
               && info.st_uid == ::geteuid() && info.st_gid == *guests;
    });
}

} // namespace

Credentials rights_of_start(const std::optional<Credentials>& caller, const std::optional<Credentials>& definer) {
    if (caller && !caller->unrestricted()) return *caller;
    return definer ? *definer : own_credentials();
}

Opener opener_for(const Environment& environment, Credentials who) {
    if (who.unrestricted() || !environment.pools) return {std::move(who)};
    return {std::move(who), environment.pools->places()};
}

Task<> require_rights(Environment& environment, Credentials who, model::Domain wanted) {
    if (who.unrestricted()) co_return;
    require_allowed(environment.settings.rules, who, wanted);
    forget_own_variables(environment, wanted);
    forget_shared_memory(environment, wanted);
    // A lane of its own: what hangs here is this caller's.
    Lane lane(environment.executor, fmt::format("the paths that uid {} names", who.uid), 1);
    auto work = [caller = opener_for(environment, who), wanted = std::move(wanted)] { judge_paths(caller, wanted); };
    co_await lane.run(Deadline::in(file_timeout), std::move(work));
}

} // namespace domus::compute
