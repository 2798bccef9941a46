// A domain is an actor: everything that changes it goes through its own queue of jobs, and after each change it
// publishes a DomainView for readers. `destroy` alone needs neither the queue nor the monitor: it signals the process.
//
//     auto domain = domains.find(uuid);
//     co_await domain->start({.paused = true});
//     domain->view()->status;                        // no waiting
#pragma once

#include "async/mailbox.hpp"
#include "compute/device_list.hpp"
#include "compute/environment.hpp"
#include "compute/guest_interfaces.hpp"
#include "compute/job.hpp"
#include "compute/running.hpp"
#include "compute/snapshot_intent.hpp"
#include "compute/snapshot_tree.hpp"
#include "compute/view.hpp"
#include "model/domain.hpp"
#include "os/unique_fd.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace domus::compute {

struct FoundGuest;
struct SaveImage;

/// Memory that a start goes on from.
struct Restore {
    std::shared_ptr<SaveImage> image;
    std::filesystem::path file;
    bool managed = false;      ///< the file goes once it is loaded
    bool resume = true;        ///< else the guest stays paused
    bool bypass_cache = false; ///< what was read leaves the host's file cache
};

struct StartRequest {
    bool paused = false;
    bool autodestroy = false;
    std::uint64_t owner = 0;           ///< connection that autodestroy is tied to
    std::optional<Credentials> caller; ///< whose rights open the disks; none: the daemon's own
    bool force_boot = false;           ///< forget memory that was saved
    bool bypass_cache = false;         ///< for saved memory
    bool reset_nvram = false;          ///< the firmware's variables are as at first
    std::optional<Restore> restore;
    std::shared_ptr<const model::Snapshot> snapshot; ///< whose memory and disks it goes on from; it stays paused then
};

enum class StateAfterRestore { as_it_was, running, paused };

struct SaveRequest {
    std::filesystem::path file; ///< empty: where the daemon keeps it for the next start
    std::optional<std::string> xml;
    StateAfterRestore state = StateAfterRestore::as_it_was;
    bool bypass_cache = false;
    Credentials caller;
    bool managed() const { return file.empty(); }
};

struct SnapshotRequest {
    std::string xml;
    format::Reading reading = format::Reading::lenient;
    bool redefine = false;    ///< only what is known of one that is there
    bool current = false;     ///< redefined: the domain stands on it
    bool halt = false;        ///< the guest ends with it
    bool no_metadata = false; ///< only in the images
    Credentials caller;
};

struct RevertRequest {
    StateAfterRestore state = StateAfterRestore::as_it_was;
    bool force = false; ///< even if the process must be replaced
    Credentials caller;
};

struct DeleteRequest {
    bool children = false, children_only = false;
    bool metadata_only = false; ///< leave the images as they are
    Credentials caller;
};

/// Which of the two definitions a change is for (virDomainModificationImpact).
struct Impact {
    bool live = false;
    bool config = false;
};

enum class ShutdownMode { automatic, acpi, agent };

using MachineStatisticsPtr = std::shared_ptr<const engine::MachineStatistics>;

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
    /// What the queue is at, for domjobinfo and error messages.
    JobView job() const;

    /// Loads what the store found at start; publishes.
    void restore_definition(DefinitionPtr definition, bool autostart, bool managed_save);
    /// Takes over a process that outlived the daemon, or settles what one that ended meanwhile has left.
    Task<> reconnect(FoundGuest found);

    /// Replaces the persistent definition (durably). `wanted` is complete; `who` named what is in it.
    Task<> define(model::Domain wanted, Credentials who);
    /// Flags: virDomainUndefineFlagsValues.
    Task<> undefine(unsigned flags);
    Task<> rename(std::string to);
    Task<> set_autostart(bool on);

    /// Boots the persistent definition, or `transient` if the domain has none.
    Task<> start(StartRequest request, std::shared_ptr<const model::Domain> transient = nullptr);
    Task<> suspend();
    Task<> resume();
    Task<> shutdown(ShutdownMode mode);
    Task<> reboot(ShutdownMode mode);
    Task<> reset();
    /// Ends the process and returns when it is gone. It has half a second to write what it keeps of its images, and is
    /// killed then. Graceful: it is not killed, and an error if it stays.
    Task<> destroy(bool graceful);
    /// What QEMU wrote in all its runs, as far as it is kept.
    Task<> remove_logs();
    /// Writes its memory into a file and ends it. On failure it goes on as before.
    Task<> save(SaveRequest request);
    /// Forgets the memory that the next start would go on from. Throws system_error (ENOENT) if there is none.
    Task<> remove_managed_save();
    /// Where it is kept, or would be.
    std::filesystem::path managed_save_file() const;
    bool has_managed_save() const { return managed_save_; }
    /// Someone changed the definition in the saved memory: the next start has no more rights than they.
    Task<> note_definer(Credentials who);
    const SnapshotTree& snapshots() const { return snapshots_; }
    /// Returns its name.
    Task<std::string> create_snapshot(SnapshotRequest request);
    Task<> revert_to_snapshot(std::string name, RevertRequest request);
    Task<> delete_snapshot(std::string name, DeleteRequest request);
    /// What the store has.
    void take_snapshots(SnapshotTree snapshots);
    /// Completes or takes back what a daemon that was killed has left half done.
    void finish_intent(SnapshotIntent intent);

    /// Throws operation_invalid if no job is under way, or one that cannot be left.
    Task<> abort_job();
    /// Of the job that runs: type none if none does. Throws operation_invalid while the domain does not run.
    JobStatistics job_statistics() const;
    /// Of the last one that has ended; forgotten by that unless `keep`.
    JobStatistics completed_job(bool keep);
    /// Ends it if it was started with autodestroy by this connection.
    void connection_closed(std::uint64_t owner);

    /// Title (type 1), description (0) or an element of <metadata> (2, found by its namespace).
    Task<> set_metadata(int type, std::optional<std::string> text, std::string key, std::string uri, Impact impact);
    /// Plugs the device of this XML into the running domain, adds it to the persistent definition, or both. Images are
    /// opened with the rights of the caller.
    Task<> attach_device(std::string xml, Impact impact, Credentials caller);
    /// Returns when the guest has let it go, or after 5 s without its answer: the device is then taken away whenever it
    /// does, and event DeviceRemoved tells of it.
    Task<> detach_device(std::string xml, Impact impact);
    /// By its alias in the running domain. Does not wait for the guest.
    Task<> detach_alias(std::string alias, Impact impact);
    /// Changes what can be changed of a device: the medium in a drive, an interface's link, a display's password; in the
    /// persistent definition all of it. `force`: the medium, though the guest has locked the drive.
    Task<> update_device(std::string xml, Impact impact, bool force, Credentials caller);
    Task<> set_memory(ByteCount amount, bool maximum, Impact impact);
    /// Of the image of a disk while the guest runs, who sees it at once. `target` as in its <target>.
    Task<> resize_disk(std::string target, ByteCount size);
    /// How often the balloon asks the guest for its figures; 0: never.
    Task<> set_memory_stats_period(std::chrono::seconds period, Impact impact);
    Task<> set_vcpus(unsigned count, bool maximum, Impact impact);

    /// The pty behind a serial device or console; name empty: the first. Throws while it does not run.
    UniqueFd open_console(const std::string& device);
    /// A picture of the guest's display in a temporary file that is already unlinked; MIME type beside it.
    struct Screenshot {
        UniqueFd file;
        std::string mime;
    };
    Task<Screenshot> screenshot(unsigned screen);
    /// Gives the guest's display, by its place among <graphics>, a client on a connected stream socket.
    Task<> open_graphics(unsigned index, UniqueFd client, bool skip_authentication);
    Task<> inject_nmi();
    Task<> send_key(std::vector<std::uint32_t> numbers, std::uint32_t hold_ms);

    /// As the agent lists them.
    Task<std::vector<GuestInterface>> guest_interfaces();

    /// Statistics that only the machine has; refreshed if older than `age`, kept otherwise, and whoever asks does not
    /// wait longer than `by`. Null if there are none in time.
    Task<MachineStatisticsPtr> statistics(std::chrono::milliseconds age, Deadline by);
    MachineStatisticsPtr latest_statistics() const;

private:
    friend class Start;
    friend class MachineEvents;
    friend class Save;

    void publish();
    void emit(event::What what) const;
    void set_status(Status status);
    /// For a call. What was cut off (Running::unfinished) is completed first: no call comes between.
    Task<Turn> turn(std::string job);
    /// For that completion.
    Task<Turn> recovery_turn();
    std::shared_ptr<Running> require_running() const;
    [[noreturn]] void not_running() const;
    /// Throws if it cannot: a start fails by that.
    void store_record() const;
    /// Of a domain that runs already: what cannot be written now is tried again until it can.
    void write_record();
    Task<> retry_record(std::shared_ptr<Running> running);
    /// Of a changed status, which a guest may change without end: at once, and then the newest some times a second.
    void note_status();
    Task<> note_newest_status(std::shared_ptr<Running> running);
    /// Waits for the end of the process, then settles the domain's state.
    Task<> watch(std::shared_ptr<Running> running);
    Task<> watch_helper(std::shared_ptr<Running> running, std::size_t index);
    /// Begins to watch QEMU and its helpers.
    void watch_all(const std::shared_ptr<Running>& running);
    Task<> settle(std::shared_ptr<Running> running);
    Task<> dump_core(std::shared_ptr<Running> running);
    /// Kills it when it is still there after that time; false if the kernel holds it even then.
    Task<bool> end_process(std::shared_ptr<Running> running, std::chrono::milliseconds patience);
    Task<> warn_of_ignored_shutdown(std::shared_ptr<Running> running);
    Task<> end_with_client(std::shared_ptr<Running> running);
    Task<> after_guest_stopped(std::shared_ptr<Running> running, std::string action);
    Task<> refresh_statistics(std::shared_ptr<Running> running);
    Task<> keep_logs(std::shared_ptr<Running> running);
    Task<> end_unfinished(std::shared_ptr<Running> running, bool there, bool unfinished, std::vector<Process> others);
    Task<> resynchronize(std::shared_ptr<Running> running, engine::machine_event::Reached reached);
    void take_state(const std::shared_ptr<Running>& running, engine::GuestState state);
    qmp::Agent& require_agent(const Running& running) const;
    Task<bool> shut_down_by_agent(std::shared_ptr<Running> running, ShutdownMode mode, std::string how);
    Task<> stop_guest(std::shared_ptr<Running> running, PausedReason why);
    Task<> let_guest_run(std::shared_ptr<Running> running, RunningReason why);
    /// What a daemon that ended in the middle of a save or restore left to be done. True if the domain is ended by it.
    Task<bool> finish_job(std::shared_ptr<Running> running);
    Task<bool> complete_job(std::shared_ptr<Running> running);
    Task<bool> finish_save(std::shared_ptr<Running> running, UnfinishedJob job);
    Task<> remove_cut_off_save(UnfinishedJob job);
    /// The steps of a start (start.hpp).
    Task<std::shared_ptr<Running>> boot(StartRequest request, std::shared_ptr<const model::Domain> transient);
    Task<> end_saved(std::shared_ptr<Running> running);
    Task<> finish_restore(std::shared_ptr<Running> running, StartRequest request);
    /// The request with the managed save if there is one; its definition is the one to start with.
    Task<std::shared_ptr<const model::Domain>> open_managed_save(StartRequest& request);
    Task<> forget_managed_save();
    /// A guest has loaded the saved memory. Until it runs the file is kept under another name, since its process may still end
    /// without having changed a disk; the next start then goes on from the file again.
    Task<> keep_loaded_save(std::shared_ptr<Running> running);
    Task<> drop_loaded_save(std::shared_ptr<Running> running);
    /// At the end of its process, and of a start that failed.
    Task<> give_back_save(std::shared_ptr<Running> running);
    /// Somebody may have deleted its file: then there is none any more.
    Task<> recheck_managed_save();
    Task<> snapshot_running(std::shared_ptr<Running> running, const model::Snapshot& wanted, bool halt);
    Task<> keep_snapshot(SnapshotEntry entry, bool current);
    Task<std::string> redefine_snapshot(model::Snapshot wanted, bool current);
    void require_force_for_risks(const model::Snapshot& snapshot, const RevertRequest& request) const;
    Task<> revert_to_memory(std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request);
    Task<> revert_to_disks(std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request);
    /// The last step of a job of QEMU's: the guest runs again, if `resumed` says why. One whose monitor is lost stays on
    /// record: it is completed when QEMU is reached again.
    Task<> leave_job(std::shared_ptr<Running> running, std::optional<RunningReason> resumed);
    Task<> load_in_place(std::shared_ptr<Running> running, const model::Snapshot& snapshot, bool resume);
    struct InImages {
        std::size_t images = 0, have_it = 0; ///< files and devices of this host, and how many of them have the snapshot
        std::size_t elsewhere = 0;           ///< images on servers, which are not looked into
    };
    Task<InImages> look_into_images(const model::Snapshot& snapshot);
    Task<> require_new_in_images(const model::Snapshot& snapshot);
    Task<std::vector<std::string>> images_of(const model::Snapshot& snapshot);
    Task<> require_in_images(const model::Snapshot& snapshot);
    Task<> require_unmistakable(const model::Snapshot& snapshot);
    Task<> note_intent(SnapshotIntent intent);
    Task<> clear_intent();
    Task<> settle_intent(SnapshotIntent intent);
    Task<> complete_intent(std::shared_ptr<const SnapshotIntent> intent);
    Task<> settle_or_keep(SnapshotIntent intent);
    void keep_unsettled(SnapshotIntent intent);
    Task<> retry_unsettled(std::shared_ptr<const SnapshotIntent> intent);
    Task<> settle_failed(model::Snapshot snapshot, Credentials caller, std::exception_ptr failure);
    Task<> apply_to_images(model::Snapshot snapshot, Credentials caller);
    Task<> remove_snapshot(model::Snapshot snapshot, Credentials caller);
    Task<> drop_or_settle(SnapshotIntent intent, std::vector<SnapshotChange> changes);
    Task<> drop_from_images(model::Snapshot snapshot, Credentials caller);
    Task<> forget_snapshot(std::string name, std::vector<SnapshotChange> changes);
    Task<> settle_earlier();
    Task<> drop_snapshots();
    Task<> drop_tpm_state(std::shared_ptr<Running> running);
    Task<> end_now(std::shared_ptr<Running> running, Running::Ending ending);
    void listen_to(const std::shared_ptr<Running>& running);
    void make_agent(Running& running) const;
    /// `changed_by`: who named something new in it. The rights of whoever has less count for all of it from then on.
    Task<> save_definition(model::Domain wanted, std::optional<Credentials> changed_by = std::nullopt);
    Task<> store_definition(DefinitionPtr definition);
    /// Throws unless the caller may have the devices that come, and the rest of the definition that they come into.
    Task<> require_rights_of_change(Credentials caller, model::Devices devices, const model::Domain* config);
    enum class Recorded {
        now,
        soon, ///< what the guest changes by itself, as often as it likes
    };
    void change_live(const std::function<void(model::Domain&)>& change, Recorded recorded = Recorded::now);
    Task<> plug(OneDevice device, Credentials caller);
    Task<> unplug(std::string alias, bool wait);
    /// The guest has let a device go: the host's side of it follows.
    Task<> device_gone(std::shared_ptr<Running> running, std::string alias);
    Task<> update_live(OneDevice device, bool force, Credentials caller);
    Task<> change_medium(model::Disk wanted, bool force, Credentials caller);
    Task<> set_link(model::Interface wanted);
    Task<> change_vcpus(unsigned count);
    Task<> set_password(model::Graphics wanted);
    Impact resolve(Impact impact) const;

    Environment& environment_;
    std::string name_;
    Uuid uuid_;
    Mailbox jobs_;
    DefinitionPtr definition_;
    bool autostart_ = false;
    bool managed_save_ = false;
    bool being_defined_ = false; ///< it stays when it ends now
    SnapshotTree snapshots_;
    std::shared_ptr<const SnapshotIntent>
        unsettled_;            ///< of a change of snapshots that failed and left something in the images; large
    std::shared_ptr<Job> job_; ///< that clients may watch
    std::optional<JobStatistics> completed_; ///< the last one
    Status status_{ShutoffReason::unknown};
    Clock::time_point since_ = Clock::now();
    std::shared_ptr<Running> running_;
    DomainViewPtr view_;
};

} // namespace domus::compute
