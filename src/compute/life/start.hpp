// A start is a transaction: a table of steps, each with what gives back what it has acquired. A failure runs the table
// backwards from there, the end of a guest runs all of it (give_back.hpp), and the error names the step that failed and
// quotes the machine's program.
#pragma once

#include "compute/life/give_back.hpp"
#include "compute/life/guest.hpp"
#include "compute/life/images.hpp"
#include "engine/launch.hpp"

#include <memory>
#include <span>

namespace domus::compute {

class Start {
public:
    Start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient);

    /// Runs all steps; on failure gives back what they acquired and throws.
    Task<> run();
    std::shared_ptr<Running> running() const { return running_; }

    struct Step {
        std::string_view name; ///< "doing what", for the error
        Task<> (Start::*apply)();
        GiveBack give_back;
    };
    static std::span<const Step> steps();

private:
    Task<> prepare();
    Task<> find_volumes();
    Task<> make_folder();
    Task<> open_images();
    Task<> ask_gluster();
    Task<> fetch_secrets();
    Task<> attach_interfaces();
    Task<> choose_ports();
    Task<> write_record();
    Task<> write_leases();
    Task<> make_group();
    Task<> start_helpers();
    Task<> run_helpers();
    Task<> run_process();
    Task<> record_process();
    Task<> set_up();
    Task<> load_state();
    Task<> load_snapshot();
    Task<> let_go();

    Task<> unwind(std::size_t reached);
    Task<> listen_on_characters();
    void complete_launch();
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
    std::optional<std::size_t> log_start_; ///< where the program's own lines of this start begin
    engine::SharedFd run_lock_;
};

} // namespace domus::compute
