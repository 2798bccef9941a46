#include "compute/life/guest.hpp"

#include "compute/domain/machine_events.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/log_keeper.hpp"
#include "os/sockets.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

/// The event of it may come before or after the answer: whoever is first settles it.
Task<> stop_guest(DomainPtr domain, std::shared_ptr<Running> running, PausedReason why) {
    running->stopping = why;
    std::exception_ptr failure;
    try {
        co_await running->guest().stop();
    } catch (...) {
        failure = std::current_exception();
    }
    running->stopping.reset();
    if (failure) std::rethrow_exception(failure);
    if (domain->status().state != State::running) co_return;
    domain->set_status(Status(why));
    domain->emit(event::Lifecycle(event::Suspended::paused));
}

Task<> let_guest_run(DomainPtr domain, std::shared_ptr<Running> running, RunningReason why) {
    running->resuming = why;
    std::exception_ptr failure;
    try {
        co_await running->guest().run();
    } catch (...) {
        failure = std::current_exception();
    }
    running->resuming.reset();
    if (failure) std::rethrow_exception(failure);
    if (domain->status().state == State::running) co_return;
    domain->set_status(Status(why));
    domain->emit(event::Lifecycle(event::Resumed::unpaused));
}

Task<> leave_job(DomainPtr domain, std::shared_ptr<Running> running, std::optional<RunningReason> resumed) {
    std::exception_ptr failure;
    try {
        if (resumed) co_await let_guest_run(domain, running, *resumed);
    } catch (...) {
        failure = std::current_exception();
    }
    if (running->guest().reachable()) running->unfinished.reset();
    write_record(*domain);
    if (failure) std::rethrow_exception(failure);
}

void make_agent(const Domain& domain, Running& running) {
    for (const auto& channel : running.domain->devices.channels) {
        if (channel.target.name != "org.qemu.guest_agent.0" || !channel.source().path) continue;
        running.agent = std::make_shared<qmp::Agent>(
            domain.environment().executor, [path = *channel.source().path] { return connect_to(path); },
            fmt::format("domain '{}'", domain.name()));
        running.agent->set_guest_side_open(channel.target.state == "connected");
    }
}

qmp::Agent& require_agent(const Domain& domain, const Running& running) {
    if (running.agent) return *running.agent;
    throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                fmt::format("argument unsupported: QEMU guest agent is not configured for domain '{}'", domain.name()))
        .hint("add <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>");
}

void listen_to(const DomainPtr& domain, const std::shared_ptr<Running>& running) {
    running->machine->listen(
        [weak = std::weak_ptr(domain), watched = std::weak_ptr(running)](const engine::MachineEvent& event) {
            const auto self = weak.lock();
            const auto still = watched.lock();
            if (self && still && !still->settled) MachineEvents::handle(self, still, event);
        });
}

/// Of a guest that was found again, whose logs grew on meanwhile, or that has a new device.
Task<> keep_logs(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!domain->environment().logs) co_return;
    auto work = [pid = running->pid()] { return logs_of(pid); };
    auto logs = co_await domain->environment().files.run(Deadline::in(10s), std::move(work));
    if (!running->settled) domain->environment().logs->keep(log_owner(domain->uuid(), running->id), std::move(logs));
}

} // namespace domus::compute
