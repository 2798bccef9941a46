#include "compute/domain/domain.hpp"

#include "compute/domain/domains.hpp"
#include "compute/domain/errors.hpp"
#include "compute/domain/record.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto queue_timeout = 30s;

} // namespace

// A host may have thousands of them: what is large and seldom there is kept behind a pointer.
static_assert(sizeof(Domain) < 2048);

Domain::Domain(Environment& environment, DomainRef ref)
    : environment_(environment), name_(std::move(ref.name)), uuid_(ref.uuid),
      queue_(environment.executor, fmt::format("domain '{}'", name_)) {}

Domain::~Domain() = default;

DomainRef Domain::ref() const { return {name_, uuid_, running_ ? running_->id : -1}; }

JobView Domain::job() const { return {queue_.current(), queue_.since()}; }

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
    view->has_snapshots = !snapshots_.tree.empty();
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
    if (running_ && !running_->starting) note_status(*this);
}

void Domain::assume_status(Status status) {
    status_ = status;
    since_ = Clock::now();
}

Task<Turn> Domain::turn(std::string job) {
    for (const auto by = Deadline::in(queue_timeout);;) {
        {
            auto turn = co_await queue_.enter(job, by);
            if (!environment_.domains->has(*this)) throw no_domain(uuid_, name_); // it went while this waited
            if (!running_ || !running_->unfinished) co_return turn;
        }
        // A daemon that was killed or a lost monitor has cut it off: finish_job() completes it once QEMU is reached.
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
    auto turn = co_await queue_.enter("recovery", Deadline::in(queue_timeout));
    co_return turn;
}

void Domain::not_running() const {
    throw invalid_operation("domain is not running").hint(fmt::format("start it with 'domus start {}'", name_));
}

std::shared_ptr<Running> Domain::require_running() const {
    if (!running_) not_running();
    return running_;
}

Impact Domain::resolve(Impact impact) const {
    if (!impact.live && !impact.config) {
        impact.live = running_ != nullptr;
        impact.config = !impact.live;
    }
    if (impact.live && !running_) not_running();
    if (impact.config && !definition_)
        throw invalid_operation("transient domains do not have any persistent config")
            .hint(fmt::format("make it persistent: 'domus dumpxml {0} > {0}.xml; domus define {0}.xml'", name_));
    return impact;
}

void Domain::change_live(const std::function<void(model::Domain&)>& change, Recorded recorded) {
    if (!running_ || running_->settled) return;
    auto changed = std::make_shared<model::Domain>(*running_->domain);
    change(*changed);
    running_->domain = std::move(changed);
    publish();
    if (running_->starting) return;
    if (recorded == Recorded::now)
        write_record(*this);
    else
        note_status(*this);
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
    co_await environment_.files.run(Deadline::in(queue_timeout), std::move(work));
    definition_ = std::move(definition);
    publish();
}

} // namespace domus::compute
