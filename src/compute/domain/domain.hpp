// A domain is an actor: everything that changes it goes through its own queue of jobs, and after each change it
// publishes a DomainView for readers. This class is its state and its queue; what is done with it is in the rooms
// beside (life/, memory/, snapshots/, devices/, tuning/, ...), as functions that take the domain.
//
//     auto domain = domains.find(uuid);
//     co_await start(domain, {.paused = true});      // life/life.hpp
//     domain->view()->status;                        // no waiting
#pragma once

#include "async/mailbox.hpp"
#include "compute/domain/definition.hpp"
#include "compute/domain/environment.hpp"
#include "compute/domain/job.hpp"
#include "compute/domain/running.hpp"
#include "compute/domain/view.hpp"
#include "compute/snapshots/snapshot_intent.hpp"
#include "compute/snapshots/snapshot_tree.hpp"
#include "model/domain.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace domus::compute {

/// Which of the two definitions a change is for (virDomainModificationImpact).
struct Impact {
    bool live = false;
    bool config = false;
};

enum class Recorded {
    now,
    soon, ///< what the guest changes by itself, as often as it likes
};

/// What a job leaves behind, for clients that look at jobs.
struct JobSlot {
    std::shared_ptr<Job> current;           ///< that clients may watch
    std::optional<JobStatistics> completed; ///< the last one
};

struct Snapshots {
    SnapshotTree tree;
    /// Of a change of snapshots that failed and left something in the images; large.
    std::shared_ptr<const SnapshotIntent> unsettled;
};

class Domain : public std::enable_shared_from_this<Domain> {
public:
    Domain(Environment& environment, DomainRef ref);
    ~Domain();
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;

    /// The latest picture; null while the domain has neither a definition nor a process.
    const DomainViewPtr& view() const { return view_; }
    DomainRef ref() const;
    const Uuid& uuid() const { return uuid_; }
    const std::string& name() const { return name_; }
    Environment& environment() const { return environment_; }
    /// What the queue is at, for domjobinfo and error messages.
    JobView job() const;

    // ---- for jobs -------------------------------------------------------------------------------------------------
    /// For a call. What was cut off (Running::unfinished) is completed first: no call comes between. Throws no_domain if the
    /// domain was removed while this waited.
    Task<Turn> turn(std::string job);
    /// For that completion.
    Task<Turn> recovery_turn();

    /// Null for a transient domain.
    const DefinitionPtr& definition() const { return definition_; }
    const std::shared_ptr<Running>& running() const { return running_; }
    /// Throws operation_invalid while it does not run.
    std::shared_ptr<Running> require_running() const;
    [[noreturn]] void not_running() const;
    /// What `impact` means now. Throws operation_invalid if there is no such definition.
    Impact resolve(Impact impact) const;
    Status status() const { return status_; }
    bool managed_save() const { return managed_save_; }
    JobSlot& jobs() { return jobs_; }
    const JobSlot& jobs() const { return jobs_; }
    Snapshots& snapshots() { return snapshots_; }
    const Snapshots& snapshots() const { return snapshots_; }

    void publish();
    void emit(event::What what) const;
    void set_status(Status status);
    void set_managed_save(bool there) { managed_save_ = there; }
    /// Changes the live definition, if it runs.
    void change_live(const std::function<void(model::Domain&)>& change, Recorded recorded = Recorded::now);

    // ---- its definition (define.hpp) --------------------------------------------------------------------------------
    /// Loads what the store found at start; publishes.
    void restore_definition(DefinitionPtr definition, bool autostart, bool managed_save);
    /// `changed_by`: who named something new in it. The rights of whoever has less count for all of it from then on.
    Task<> save_definition(model::Domain wanted, std::optional<Credentials> changed_by = std::nullopt);
    Task<> store_definition(DefinitionPtr definition);
    /// Someone changed the definition in the saved memory: the next start has no more rights than they.
    Task<> note_definer(Credentials who);
    bool autostart() const { return autostart_; }
    void set_autostart(bool on) { autostart_ = on; }
    void set_definition(DefinitionPtr definition) { definition_ = std::move(definition); }
    void set_name(std::string name) { name_ = std::move(name); }
    /// It stays when its process ends now.
    bool is_being_defined() const { return being_defined_; }
    void set_being_defined(bool on) { being_defined_ = on; }

    // ---- its life (life/) -------------------------------------------------------------------------------------------
    /// A process begins, is found again, or is gone; the caller publishes.
    void set_running(std::shared_ptr<Running> running) { running_ = std::move(running); }
    /// The status of a process that begins or ends: nothing is recorded or published.
    void assume_status(Status status);

private:
    Environment& environment_;
    std::string name_;
    Uuid uuid_;
    Mailbox queue_;
    DefinitionPtr definition_;
    bool autostart_ = false;
    bool managed_save_ = false;
    bool being_defined_ = false;
    Snapshots snapshots_;
    JobSlot jobs_;
    Status status_{ShutoffReason::unknown};
    Clock::time_point since_ = Clock::now();
    std::shared_ptr<Running> running_;
    DomainViewPtr view_;
};

using DomainPtr = std::shared_ptr<Domain>;

} // namespace domus::compute
