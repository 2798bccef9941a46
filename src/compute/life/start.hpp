// A start is a transaction: each step puts its undoing beside it, a failure unwinds what was done in reverse order,
// and the error names the step that failed and quotes QEMU.
#pragma once

#include "compute/life/guest.hpp"
#include "compute/life/images.hpp"
#include "engine/launch.hpp"

#include <memory>
#include <span>

namespace domus::compute {

class Start {
public:
    Start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient);

    /// Runs all steps; on failure undoes them and throws.
    Task<> run();
    std::shared_ptr<Running> running() const { return running_; }

    struct Step {
        std::string_view name; ///< "doing what", for the error
        Task<> (Start::*apply)();
        Task<> (Start::*undo)();
    };
    static std::span<const Step> steps();

private:
    Task<> prepare();
    Task<> find_volumes();
    Task<> make_folder();
    Task<> remove_folder();
    Task<> open_images();
    Task<> leave_logs();
    Task<> ask_gluster();
    Task<> fetch_secrets();
    Task<> attach_interfaces();
    Task<> detach_interfaces();
    Task<> detach(std::size_t count);
    Task<> choose_ports();
    Task<> release_ports();
    Task<> write_record();
    Task<> remove_record();
    void forget_record();
    Task<> write_leases();
    Task<> remove_leases();
    Task<> make_group();
    Task<> end_group();
    Task<> start_helpers();
    Task<> run_helpers();
    Task<> stop_helpers();
    Task<> run_process();
    Task<> record_process();
    Task<> end_process();
    void complete_launch();
    Task<> set_up();
    Task<> unlink_displays();
    Task<> load_snapshot();
    Task<> load_state();
    Task<> give_back_save();
    Task<> let_go();
    Task<> nothing();

    Task<> listen_on_characters();
    ImageFolders image_folders();
    std::shared_ptr<const model::Domain> shown() const;
    void require_wanted() const;
    Task<Error> explained(std::exception_ptr failure, std::string step);
    Environment& environment() { return domain_->environment(); }

    DomainPtr domain_;
    StartRequest request_;
    std::shared_ptr<const model::Domain> transient_;
    model::Domain live_;
    std::vector<model::Disk> named_disks_; ///< as the definition has them
    engine::Launch launch_;
    std::shared_ptr<Running> running_;
    std::optional<UserIdClaim> user_id_; ///< until the process has it
    std::string log_path_;
    std::string_view speaker_ = "QEMU";    ///< who wrote the log's last lines
    std::optional<std::size_t> log_start_; ///< where QEMU's own lines of this start begin
    std::shared_ptr<UniqueFd> run_lock_;
};

/// Whether the daemon opens the tap device of such an interface.
bool has_tap(const Environment& environment, const model::Interface& interface);

/// Joins an interface that has a tap to its network or bridge and notes in it what it got; nothing for other types.
Task<> attach_interface(Environment& environment, model::Interface& interface, model::DomainType type,
                        std::string domain, engine::Launch& launch);

/// Of a channel or port that a client of the host connects to.
struct CharacterSocket {
    std::string alias, path;
    Credentials owner; ///< one at a path of the caller's choice is made with their rights
};
/// The socket that the daemon makes for that device, if any; notes its path in the device.
std::optional<CharacterSocket> listens_on(model::CharacterDevice& device, const std::string& folder,
                                          const Credentials& caller);
/// Makes them in `launch`; they listen already.
Task<> listen_on_characters(Environment& environment, std::vector<CharacterSocket> sockets, std::string domain,
                            engine::Launch& launch);

/// What a start acquired and the process does not give back by itself: ports, folder, record.
Task<> release_resources(Environment& environment, std::shared_ptr<const model::Domain> live, std::string folder,
                         std::string name);

} // namespace domus::compute
