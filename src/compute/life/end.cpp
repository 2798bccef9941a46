// The end of a domain's process: watched for, brought about, and settled.
#include "compute/life/guest.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/life/core_dumps.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/life/start.hpp"
#include "compute/memory/restore.hpp"

#include <csignal>
#include <ctime>
#include <fmt/format.h>
#include <unistd.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto helper_grace = 3s; ///< between a helper's end and QEMU's, where they end together

/// QEMU goes on without it: the guest sees a device that does not answer.
Task<> watch_helper(DomainPtr domain, std::shared_ptr<Running> running, std::size_t index) {
    auto& helper = running->helpers[index];
    const auto status = co_await wait_for_exit(helper.process);
    const bool with_guest = co_await running->wait_until_over(Deadline::in(helper_grace));
    if (with_guest || running->settled) co_return;
    running->helper_faults.push_back(fmt::format("{} of '{}' {}; it comes back when the domain is started again",
                                                 helper.program, helper.device, status.text()));
    log::error("domain '{}': process {}, {} of '{}', {} while the guest runs", domain->name(), helper.process.pid(),
               helper.program, helper.device, status.text());
    domain->publish();
}

/// The crashed guest's memory as an ELF file (core_dumps.hpp). A failure is logged: the policy goes on.
Task<> dump_core(DomainPtr domain, std::shared_ptr<Running> running) {
    const auto kept = domain->environment().settings.crash_dumps;
    if (kept == 0) {
        log::info("domain '{}': the crashed guest's memory is not dumped: crash_dumps is 0 in the section [qemu] of "
                  "the configuration",
                  domain->name());
        co_return;
    }
    const auto made = std::make_shared<CoreDump>();
    std::exception_ptr failure;
    try {
        auto make = [folder = domain->environment().store.folders().library / "dump", name = domain->name(),
                     size = running->domain->memory,
                     kept] { return open_core_dump(folder, name, size, kept, std::time(nullptr)); };
        *made = co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(make));
        co_await running->guest().dump_memory(std::move(made->fd));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        log::info("domain '{}': the crashed guest's memory is in '{}'", domain->name(), made->path.string());
        co_return;
    }
    log::error("domain '{}': the crashed guest's memory could not be dumped: {}", domain->name(), describe(failure));
    if (made->path.empty()) co_return;
    auto remove = [made] { ::unlink(made->path.c_str()); };
    try {
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(remove));
    } catch (const Error& error) {
        log::warning("domain '{}': what there is of the dump stays: {}", domain->name(), error.text());
    }
}

/// A guest that has shut down begins anew; one that cannot is ended.
Task<> restart(DomainPtr domain, std::shared_ptr<Running> running) {
    std::exception_ptr failure;
    try {
        running->reboot_wanted = false;
        co_await running->guest().reset();
        running->guest_stopped = false;
        co_await running->guest().run();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) domain->set_status(Status(RunningReason::booted));
    if (!failure || running->guest().has_ended()) co_return;
    log::error("domain '{}': its guest cannot be restarted and is ended: {}", domain->name(), describe(failure));
    if (!running->ending) running->ending = {ShutoffReason::failed, event::Stopped::failed};
    (void)co_await end_process(domain, running, 5s);
}

/// Of a save; while there is a job, that removes what it has made.
Task<> remove_what_was_cut_off(DomainPtr domain, std::shared_ptr<Running> running) {
    const auto cut_off = domain->jobs().current ? std::nullopt : running->unfinished;
    if (!cut_off || cut_off->kind != "save") co_return;
    std::exception_ptr failure;
    try {
        co_await remove_cut_off_save(domain, *cut_off);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("domain '{}': a save that was cut off: {}", domain->name(), describe(failure));
}

} // namespace

Task<> watch(DomainPtr domain, std::shared_ptr<Running> running) {
    (void)co_await running->guest().ended(Deadline::never());
    co_await settle(domain, running);
}

void watch_all(const DomainPtr& domain, const std::shared_ptr<Running>& running) {
    spawn(domain->environment().executor, watch(domain, running),
          fmt::format("the process of domain '{}'", domain->name()));
    for (std::size_t i = 0; i < running->helpers.size(); ++i)
        if (running->helpers[i].process.pid() != 0)
            spawn(domain->environment().executor, watch_helper(domain, running, i),
                  fmt::format("a helper of domain '{}'", domain->name()));
}

Task<> settle(DomainPtr domain, std::shared_ptr<Running> running) {
    if (running->settled) co_return;
    running->settled = true;
    running->unplugged.notify_all(); // its devices go with it
    const auto ending = running->ending.value_or(Running::Ending{ShutoffReason::crashed, event::Stopped::failed});
    if (!running->ending) log::warning("domain '{}': its process {} ended unasked", domain->name(), running->pid());
    const auto last = domain->ref();
    co_await remove_what_was_cut_off(domain, running);
    co_await give_back(domain, running, Start::steps().size());
    co_await leave(domain, running, Status(ending.reason));
    domain->environment().emit({{last.name, last.uuid, -1}, event::Lifecycle(ending.detail)});
}

Task<> after_guest_stopped(DomainPtr domain, std::shared_ptr<Running> running, std::string action) {
    const bool crash = action.starts_with("crash-");
    if (crash) action.erase(0, 6);
    if (action.starts_with("coredump")) co_await dump_core(domain, running);
    if (action == "restart" || action == "coredump-restart") {
        co_await restart(domain, running);
        co_return;
    }
    if (!crash) {
        domain->set_status(Status(State::shutdown, 1));
        domain->emit(event::Lifecycle(event::Shutdown::guest));
    }
    running->ending = crash ? Running::Ending{ShutoffReason::crashed, event::Stopped::crashed}
                            : Running::Ending{ShutoffReason::shutdown, event::Stopped::shutdown};
    (void)co_await end_process(domain, running, 5s);
}

/// What QEMU keeps of its images' metadata is written when it ends by itself, whether the guest has asked for that or not.
Task<bool> end_process(DomainPtr domain, std::shared_ptr<Running> running, std::chrono::milliseconds timeout) {
    co_await note_followers(domain->environment(), running);
    running->terminate();
    bool gone = co_await running->wait_until_over(Deadline::in(timeout));
    if (gone) co_return true;
    running->kill();
    gone = co_await running->wait_until_over(Deadline::in(30s));
    co_return gone;
}

Task<> end_now(DomainPtr domain, std::shared_ptr<Running> running, Running::Ending ending) {
    if (!running->ending) running->ending = ending;
    running->kill();
    const bool gone = co_await running->wait_until_over(Deadline::in(30s));
    if (!gone)
        throw Error(
            ErrorCode::system_error, ErrorDomain::qemu,
            fmt::format("process {} of domain '{}' is still there 30 s after SIGKILL", running->pid(), domain->name()));
}

} // namespace domus::compute
