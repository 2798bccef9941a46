#include "compute/domain.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/core_dumps.hpp"
#include "compute/domains.hpp"
#include "compute/guest_processes.hpp"
#include "compute/log_keeper.hpp"
#include "compute/machine_events.hpp"
#include "compute/start.hpp"
#include "compute/tpm_state.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto queue_patience = 30s;
constexpr auto helper_grace = 3s; ///< between a helper's end and QEMU's, where they end together

} // namespace

// A host may have thousands of them: what is large and seldom there is kept behind a pointer.
static_assert(sizeof(Domain) < 2048);

Running::Running(Executor executor) : unplugged(executor), refreshed(executor), gone_(executor) {}

void Running::finish() {
    settled = over_ = true;
    gone_.notify_all();
}

Task<bool> Running::wait_until_over(Deadline by) {
    while (!over_) {
        const bool notified = co_await gone_.wait(by);
        if (!notified) break;
    }
    co_return over_;
}

engine::Machine& Running::guest() const {
    if (!machine) throw engine::GuestGone(domain->name);
    return *machine;
}

void Running::terminate() const {
    if (machine) machine->terminate();
}

void Running::kill() const {
    if (machine) machine->kill();
}

Domain::Domain(Environment& environment, DomainRef ref)
    : environment_(environment), name_(std::move(ref.name)), uuid_(ref.uuid),
      jobs_(environment.executor, fmt::format("domain '{}'", name_)) {}

Domain::~Domain() = default;

DomainRef Domain::ref() const { return {name_, uuid_, running_ ? running_->id : -1}; }

JobView Domain::job() const { return {jobs_.current(), jobs_.since()}; }

/// What has neither a definition nor a process has no view, so that no call finds it: it is being defined for the first time, or
/// ended while it was.
void Domain::publish() {
    if (!definition_ && !running_) return view_.reset();
    auto view = std::make_shared<DomainView>();
    view->ref = ref();
    view->status = status_;
    view->since = since_;
    view->autostart = autostart_;
    view->managed_save = managed_save_;
    view->has_snapshots = !snapshots_.empty();
    view->definition = definition_;
    if (running_) {
        auto live = std::make_shared<LiveView>();
        live->domain = running_->domain;
        live->summary = summarize(*running_->domain);
        live->pid = running_->pid();
        live->start_time = running_->start_time();
        live->vcpu_threads = running_->vcpu_threads;
        live->record_fault = running_->record_fault;
        live->helper_faults = running_->helper_faults;
        view->live = std::move(live);
    }
    view_ = std::move(view);
}

void Domain::emit(event::What what) const { environment_.emit({ref(), std::move(what)}); }

void Domain::set_status(Status status) {
    if (status_ == status) return;
    if (status_.state != status.state) since_ = Clock::now();
    status_ = status;
    publish();
    if (running_ && !running_->starting) note_status();
}

Task<Turn> Domain::turn(std::string job) {
    for (const auto by = Deadline::in(queue_patience);;) {
        {
            auto turn = co_await jobs_.enter(job, by);
            if (!environment_.domains->has(*this)) throw no_domain(uuid_, name_); // it went while this waited
            if (!running_ || !running_->unfinished) co_return turn;
        }
        // A daemon that was killed or a lost monitor has cut it off: Domain::finish_job completes it once QEMU is reached.
        if (by.expired())
            throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                        fmt::format("Timed out during operation: domain '{}' has to complete its {} first, and its "
                                    "QEMU does not answer",
                                    name_, running_->unfinished->kind))
                .hint(fmt::format("wait for it, or end the domain with 'domus destroy {}'", name_));
        co_await sleep_until(Deadline::in(50ms));
    }
}

Task<Turn> Domain::recovery_turn() {
    auto turn = co_await jobs_.enter("recovery", Deadline::in(queue_patience));
    co_return turn;
}

void Domain::not_running() const {
    throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                "Requested operation is not valid: domain is not running")
        .hint(fmt::format("start it with 'domus start {}'", name_));
}

std::shared_ptr<Running> Domain::require_running() const {
    if (!running_) not_running();
    return running_;
}

void Domain::restore_definition(DefinitionPtr definition, bool autostart, bool managed_save) {
    definition_ = std::move(definition);
    autostart_ = autostart;
    managed_save_ = managed_save;
    publish();
}

Task<> Domain::save_definition(model::Domain wanted, std::optional<Credentials> changed_by) {
    const bool by_lesser = changed_by && !changed_by->unrestricted();
    auto definition = make_definition(wanted, by_lesser || !definition_ ? changed_by : definition_->definer);
    return store_definition(std::move(definition));
}

Task<> Domain::note_definer(Credentials who) {
    if (!definition_ || who.unrestricted()) co_return;
    auto definition = std::make_shared<Definition>(*definition_);
    definition->definer = std::move(who);
    co_await store_definition(std::move(definition));
}

Task<> Domain::store_definition(DefinitionPtr definition) {
    auto work = [store = environment_.store, name = name_, definition, fresh = definition_ == nullptr] {
        store.save(name, definition->text(), fresh);
    };
    co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
    definition_ = std::move(definition);
    publish();
}

Task<> Domain::define(model::Domain wanted, Credentials who) {
    const auto turn = co_await this->turn("define");
    if (wanted.name != name_)
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: domain '{}' was just renamed '{}'", wanted.name, name_));
    const bool known = definition_ != nullptr;
    std::exception_ptr failure;
    being_defined_ = true;
    try {
        auto definition = make_definition(wanted, std::move(who));
        co_await store_definition(std::move(definition));
    } catch (...) {
        failure = std::current_exception();
    }
    being_defined_ = false;
    if (failure && !known && !running_) environment_.domains->remove(*this);
    if (failure) std::rethrow_exception(failure);
    emit(event::Lifecycle(known ? event::Defined::updated : event::Defined::added));
}

Task<> Domain::undefine(unsigned flags) {
    constexpr unsigned remove_managed_save = 1, remove_snapshots = 2, remove_nvram = 4,
                       keep_nvram = 8; // virDomainUndefineFlagsValues
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("undefine");
    if (!definition_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: cannot undefine transient domain")
            .hint(fmt::format("it goes by itself when it ends: 'domus destroy {}'", name_));
    co_await recheck_managed_save();
    const auto variables = environment_.store.variables_path(name_);
    if (managed_save_ && !(flags & remove_managed_save))
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: Refusing to undefine while domain managed save image exists")
            .hint(fmt::format("'domus undefine {} --managed-save' forgets its saved memory too", name_));
    if (!running_ && !snapshots_.empty() && !(flags & remove_snapshots))
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("Requested operation is not valid: cannot delete inactive domain with {} snapshots",
                                snapshots_.size()))
            .hint(fmt::format("'domus undefine {} --snapshots-metadata' forgets them; they stay in the images", name_));
    auto work = [store = environment_.store, name = name_, definition = definition_, uuid = uuid_, variables, flags,
                 saved = managed_save_, all = !running_] {
        if (std::filesystem::exists(variables) && !(flags & (remove_nvram | keep_nvram)))
            throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                        "Requested operation is not valid: cannot undefine domain with nvram")
                .hint(fmt::format("say whether '{}' goes too: 'domus undefine {} --nvram' or '--keep-nvram'",
                                  variables.string(), name));
        store.remove(name, uuid,
                     {.variables = (flags & remove_nvram) != 0,
                      .snapshots = all,
                      .tpm = all && tpm_state_goes(parse_definition(*definition), flags),
                      .managed_save = saved});
    };
    co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
    if (!running_) co_await drop_snapshots(); // it may have ended just now
    definition_.reset();
    autostart_ = false;
    managed_save_ = false;
    emit(event::Lifecycle(event::Undefined::removed));
    if (running_) {
        running_->undefine_flags = flags; // for what it keeps until it ends
        publish();
        write_record();
    } else {
        environment_.domains->remove(*this);
    }
}

Task<> Domain::rename(std::string to) {
    const auto turn = co_await this->turn("rename");
    if (running_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: cannot rename active domain")
            .hint(fmt::format("shut it down first: 'domus shutdown {}'", name_));
    co_await recheck_managed_save();
    if (managed_save_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain with a managed saved state can't be renamed")
            .hint(fmt::format("start it, or forget its saved memory with 'domus managedsave-remove {}'", name_));
    if (!snapshots_.empty())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: cannot rename domain with snapshots");
    auto wanted = parse_definition(*definition_);
    wanted.name = to;
    if (wanted.os.nvram.path == environment_.store.variables_path(name_).string())
        wanted.os.nvram.path.reset(); // they go along
    format::Findings findings;
    model::check(wanted, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    environment_.domains->reserve_name(to, *this);
    auto definition = make_definition(wanted, definition_->definer);
    std::exception_ptr failure;
    try {
        auto work = [store = environment_.store, from = name_, to, definition, on = autostart_] {
            store.rename(from, to, definition->text(), on);
        };
        co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        environment_.domains->release_name(to);
        std::rethrow_exception(failure);
    }
    emit(event::Lifecycle(event::Undefined::renamed));
    environment_.domains->release_name(name_);
    name_ = std::move(to);
    definition_ = std::move(definition);
    publish();
    emit(event::Lifecycle(event::Defined::renamed));
}

Task<> Domain::set_autostart(bool on) {
    const auto turn = co_await this->turn("autostart");
    if (!definition_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: cannot set autostart for transient domain");
    auto work = [store = environment_.store, name = name_, on] { store.set_autostart(name, on); };
    co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
    autostart_ = on;
    publish();
}

void Domain::change_live(const std::function<void(model::Domain&)>& change, Recorded recorded) {
    if (!running_ || running_->settled) return;
    auto changed = std::make_shared<model::Domain>(*running_->domain);
    change(*changed);
    running_->domain = std::move(changed);
    publish();
    if (running_->starting) return;
    if (recorded == Recorded::now)
        write_record();
    else
        note_status();
}

Impact Domain::resolve(Impact impact) const {
    if (!impact.live && !impact.config) {
        impact.live = running_ != nullptr;
        impact.config = !impact.live;
    }
    if (impact.live && !running_) not_running();
    if (impact.config && !definition_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: transient domains do not have any persistent config")
            .hint(fmt::format("make it persistent: 'domus dumpxml {0} > {0}.xml; domus define {0}.xml'", name_));
    return impact;
}

// ---- the end of a domain --------------------------------------------------------------------------------------

Task<> Domain::watch(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    (void)co_await running->guest().ended(Deadline::never());
    co_await settle(running);
}

/// QEMU goes on without it: the guest sees a device that does not answer.
Task<> Domain::watch_helper(std::shared_ptr<Running> running, std::size_t index) {
    const auto self = shared_from_this();
    auto& helper = running->helpers[index];
    const auto status = co_await wait_for_exit(helper.process);
    const bool with_guest = co_await running->wait_until_over(Deadline::in(helper_grace));
    if (with_guest || running->settled) co_return;
    running->helper_faults.push_back(fmt::format("{} of '{}' {}; it comes back when the domain is started again",
                                                 helper.program, helper.device, status.text()));
    log::error("domain '{}': process {}, {} of '{}', {} while the guest runs", name_, helper.process.pid(),
               helper.program, helper.device, status.text());
    publish();
}

void Domain::watch_all(const std::shared_ptr<Running>& running) {
    spawn(environment_.executor, watch(running), fmt::format("the process of domain '{}'", name_));
    for (std::size_t i = 0; i < running->helpers.size(); ++i)
        if (running->helpers[i].process.pid() != 0)
            spawn(environment_.executor, watch_helper(running, i), fmt::format("a helper of domain '{}'", name_));
}

Task<> Domain::settle(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (running->settled) co_return;
    running->settled = true;
    const auto ending = running->ending.value_or(Running::Ending{ShutoffReason::crashed, event::Stopped::failed});
    if (!running->ending) log::warning("domain '{}': its process {} ended unasked", name_, running->pid());
    std::exception_ptr trouble;
    try {
        co_await give_back_save(running);
        const auto cut_off =
            job_ ? std::nullopt : running->unfinished; // while there is a job, its save removes what it has made
        if (cut_off && cut_off->kind == "save") co_await remove_cut_off_save(*cut_off);
    } catch (...) {
        trouble = std::current_exception();
    }
    if (running->agent) running->agent->close();
    if (environment_.logs) environment_.logs->forget(log_owner(uuid_, running->id));
    try {
        co_await end_all_processes(environment_, running, name_);
        co_await release_resources(environment_, running->domain, running->folder, name_);
        // Before it counts as ended: what has neither a process nor a definition must not be there for calls.
        if (!definition_ && !being_defined_) {
            co_await drop_snapshots();
            co_await drop_tpm_state(running);
        }
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("domain '{}': not all that it had is given back: {}", name_, describe(trouble));
    const auto last = ref();
    running->ports.clear();
    running_.reset();
    status_ = Status(ending.reason);
    since_ = Clock::now();
    publish();
    environment_.emit({{last.name, last.uuid, -1}, event::Lifecycle(ending.detail)});
    if (!definition_ && !being_defined_) environment_.domains->remove(*this);
    running->finish();
}

/// What is known of them goes; they stay in the images.
Task<> Domain::drop_snapshots() {
    if (snapshots_.empty() && !unsettled_) co_return;
    snapshots_ = {};
    unsettled_.reset();
    auto work = [store = environment_.store, name = name_] { store.remove_snapshots(name); };
    co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
}

/// Of one that has no definition any more.
Task<> Domain::drop_tpm_state(std::shared_ptr<Running> running) {
    if (!tpm_state_goes(*running->domain, running->undefine_flags)) co_return;
    auto work = [folders = environment_.store.folders(), uuid = uuid_] { remove_tpm_state(folders, uuid); };
    co_await environment_.files.run(Deadline::in(queue_patience), std::move(work));
}

/// The crashed guest's memory as an ELF file (core_dumps.hpp). A failure is logged: the policy goes on.
Task<> Domain::dump_core(std::shared_ptr<Running> running) {
    const auto kept = environment_.settings.crash_dumps;
    if (kept == 0) {
        log::info("domain '{}': the crashed guest's memory is not dumped: crash_dumps is 0 in the section [qemu] of "
                  "the configuration",
                  name_);
        co_return;
    }
    const auto made = std::make_shared<CoreDump>();
    std::exception_ptr failure;
    try {
        auto make = [folder = environment_.store.folders().library / "dump", name = name_,
                     size = running->domain->memory,
                     kept] { return open_core_dump(folder, name, size, kept, std::time(nullptr)); };
        *made = co_await environment_.files.run(Deadline::in(queue_patience), std::move(make));
        co_await running->guest().dump_memory(std::move(made->fd));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        log::info("domain '{}': the crashed guest's memory is in '{}'", name_, made->path.string());
        co_return;
    }
    log::error("domain '{}': the crashed guest's memory could not be dumped: {}", name_, describe(failure));
    if (made->path.empty()) co_return;
    auto remove = [made] { ::unlink(made->path.c_str()); };
    try {
        co_await environment_.files.run(Deadline::in(queue_patience), std::move(remove));
    } catch (const Error& error) {
        log::warning("domain '{}': what there is of the dump stays: {}", name_, error.text());
    }
}

Task<> Domain::after_guest_stopped(std::shared_ptr<Running> running, std::string action) {
    const auto self = shared_from_this();
    const bool crash = action.starts_with("crash-");
    if (crash) action.erase(0, 6);
    if (action.starts_with("coredump")) co_await dump_core(running);
    if (action == "restart" || action == "coredump-restart") {
        running->reboot_wanted = false;
        co_await running->guest().reset();
        running->guest_stopped = false;
        co_await running->guest().run();
        set_status(Status(RunningReason::booted));
        co_return;
    }
    if (!crash) {
        set_status(Status(State::shutdown, 1));
        emit(event::Lifecycle(event::Shutdown::guest));
    }
    running->ending = crash ? Running::Ending{ShutoffReason::crashed, event::Stopped::crashed}
                            : Running::Ending{ShutoffReason::shutdown, event::Stopped::shutdown};
    (void)co_await end_process(running, 5s);
}

// ---- statistics --------------------------------------------------------------------------------------------------

MachineStatisticsPtr Domain::latest_statistics() const { return running_ ? running_->statistics : nullptr; }

Task<MachineStatisticsPtr> Domain::statistics(std::chrono::milliseconds age, Deadline by) {
    const auto running = running_;
    if (!running || running->starting) co_return nullptr;
    if (running->statistics && Clock::now() - running->statistics->at < age) co_return running->statistics;
    if (!running->refreshing) {
        running->refreshing = true;
        spawn(environment_.executor, refresh_statistics(running), fmt::format("statistics of '{}'", name_));
        if (!running->refreshing) co_return running->statistics; // there was nothing to ask
    }
    const auto before = running->statistics;
    (void)co_await running->refreshed.wait(by);
    if (running->statistics != before) co_return running->statistics;
    co_return nullptr;
}

} // namespace domus::compute
