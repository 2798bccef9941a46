#include "compute/life/give_back.hpp"

#include "base/log.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/domain/define.hpp"
#include "compute/domain/domains.hpp"
#include "compute/life/display_sockets.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/life/helpers.hpp"
#include "compute/life/leases.hpp"
#include "compute/life/log_keeper.hpp"
#include "compute/life/run_folder.hpp"
#include "compute/life/start.hpp"
#include "compute/life/tpm_state.hpp"

#include <fmt/format.h>

#include <csignal>

namespace domus::compute {

namespace {

/// Of one that has no definition any more.
Task<> drop_tpm_state(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!tpm_state_goes(*running->domain, running->undefine_flags)) co_return;
    auto work = [folders = domain->environment().store.folders(), uuid = domain->uuid()] {
        remove_tpm_state(folders, uuid);
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
}

/// Before it counts as ended: what has neither a process nor a definition must not be there for calls.
Task<> drop_transient_parts(DomainPtr domain, std::shared_ptr<Running> running) {
    if (domain->definition() || domain->is_being_defined()) co_return;
    std::exception_ptr failure;
    try {
        co_await drop_snapshots(domain);
        co_await drop_tpm_state(domain, running);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("domain '{}': not all that it had goes: {}", domain->name(), describe(failure));
}

} // namespace

Task<> give_back_nothing(DomainPtr, std::shared_ptr<Running>) { co_return; }

Task<> give_back_folder(DomainPtr domain, std::shared_ptr<Running> running) {
    return remove_run_folder(domain->environment(), running->folder);
}

Task<> give_back_logs(DomainPtr domain, std::shared_ptr<Running> running) {
    if (auto* logs = domain->environment().logs) logs->forget(log_owner(domain->uuid(), running->id));
    co_return;
}

Task<> give_back_interfaces(DomainPtr domain, std::shared_ptr<Running> running) {
    auto* networks = domain->environment().networks;
    if (!networks) co_return;
    for (const auto& interface : running->domain->devices.interfaces)
        if (interface.target_dev) co_await networks->detach(*interface.target_dev);
}

Task<> give_back_ports(DomainPtr, std::shared_ptr<Running> running) {
    running->ports.clear();
    co_return;
}

Task<> give_back_record(DomainPtr domain, std::shared_ptr<Running>) {
    domain->environment().store.remove_record(domain->name());
    co_return;
}

Task<> give_back_leases(DomainPtr domain, std::shared_ptr<Running> running) {
    auto images = co_await images_written(domain->environment(), running->domain->devices.disks);
    co_await remove_leases(domain->environment(), domain->name(), domain->uuid(), std::move(images));
}

Task<> give_back_group(DomainPtr domain, std::shared_ptr<Running> running) {
    return end_all_processes(domain->environment(), running, domain->name());
}

Task<> give_back_helpers(DomainPtr domain, std::shared_ptr<Running> running) {
    if (running->starting) // no guest has used them
        for (const auto& helper : running->helpers) helper.process.signal(SIGKILL);
    co_await end_helpers(running);
    if (!emulated_tpm(*running->domain)) co_return;
    auto take = [states = tpm_folder(domain->environment().store.folders(), domain->uuid())] {
        take_back_tpm_state(states);
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(take));
}

Task<> give_back_process(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!running->machine || running->machine->has_ended()) co_return;
    co_await note_followers(domain->environment(), running);
    running->kill();
    (void)co_await running->machine->ended(Deadline::never());
}

Task<> give_back_agent(DomainPtr, std::shared_ptr<Running> running) {
    if (running->agent) running->agent->close();
    co_return;
}

Task<> give_back_display_sockets(DomainPtr domain, std::shared_ptr<Running> running) {
    // At the places that the definition names: a lane of its own, since what hangs there is this domain's.
    auto work = [sockets = own_display_sockets(running->domain->devices.graphics, running->guest_folder())] {
        unlink_display_sockets(sockets);
    };
    Lane lane(domain->environment().executor, fmt::format("the display sockets of domain '{}'", domain->name()), 1);
    co_await lane.run(Deadline::in(file_timeout), std::move(work));
}

Task<> give_back(DomainPtr domain, std::shared_ptr<Running> running, std::size_t reached) {
    const auto steps = Start::steps();
    for (std::size_t i = reached; i-- > 0;) {
        std::exception_ptr trouble;
        try {
            co_await steps[i].give_back(domain, running);
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("domain '{}': undoing '{}': {}", domain->name(), steps[i].name, describe(trouble));
    }
}

Task<> leave(DomainPtr domain, std::shared_ptr<Running> running, Status status) {
    co_await drop_transient_parts(domain, running);
    domain->set_running(nullptr);
    domain->assume_status(status);
    domain->publish();
    if (!domain->definition() && !domain->is_being_defined()) domain->environment().domains->remove(*domain);
    running->finish();
}

} // namespace domus::compute
