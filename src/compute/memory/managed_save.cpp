// Memory that the next start goes on from.
#include "compute/memory/memory.hpp"

#include "base/log.hpp"
#include "compute/memory/restore.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

namespace domus::compute {

std::filesystem::path managed_save_file(const Domain& domain) {
    return domain.environment().store.managed_save_path(domain.name());
}

Task<> forget_managed_save(DomainPtr domain) {
    auto work = [path = managed_save_file(*domain),
                 loaded = domain->environment().store.loaded_save_path(domain->name())] {
        remove_durably(path);
        remove_durably(loaded);
    };
    if (domain->running()) domain->running()->keeps_save = false;
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    domain->set_managed_save(false);
    domain->publish();
}

Task<> recheck_managed_save(DomainPtr domain) {
    if (!domain->managed_save()) co_return;
    auto work = [path = managed_save_file(*domain)] { return std::filesystem::exists(path); };
    const bool there = co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (there) co_return;
    log::warning("domain '{}': its saved memory '{}' was deleted, so its next start boots", domain->name(),
                 managed_save_file(*domain).string());
    domain->set_managed_save(false);
    domain->publish();
}

Task<> remove_managed_save(DomainPtr domain) {
    const auto turn = co_await domain->turn("managedsave-remove");
    co_await recheck_managed_save(domain);
    if (!domain->managed_save())
        throw path_error(ENOENT, "Failed to remove managed save file", managed_save_file(*domain));
    co_await forget_managed_save(domain);
}

} // namespace domus::compute
