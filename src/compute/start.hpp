// A start is a transaction: each step puts its undoing beside it, a failure unwinds what was done in reverse order,
// and the error names the step that failed and quotes QEMU.
#pragma once

#include "compute/domain.hpp"
#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/command.hpp"

#include <memory>
#include <span>

namespace domus::compute {

class Start {
public:
    Start(Domain& domain, StartRequest request, std::shared_ptr<const model::Domain> transient);

    /// Runs all steps; on failure undoes them and throws.
    Task<> run();

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
    Task<> fetch_secrets();
    Task<> attach_interfaces();
    Task<> detach_interfaces();
    Task<> write_record();
    Task<> remove_record();
    Task<> write_leases();
    Task<> remove_leases();
    Task<> run_process();
    Task<> end_process();
    Task<> connect_monitor();
    Task<> learn();
    Task<> load_state();
    Task<> let_go();
    Task<> nothing();

    void choose_ports();
    void listen_on_channels();
    void read_terminals(const boost::json::value& characters);
    void read_threads(const boost::json::value& cpus);
    void make_agent();
    std::shared_ptr<const model::Domain> shown() const;
    Task<Error> explained(std::exception_ptr failure, std::string step);
    Environment& environment() { return domain_.environment_; }

    Domain& domain_;
    StartRequest request_;
    std::shared_ptr<const model::Domain> transient_;
    model::Domain live_;
    std::vector<model::Disk> named_disks_; ///< as the definition has them
    std::shared_ptr<const engine::qemu::Capabilities> capabilities_;
    engine::qemu::Launch launch_;
    std::shared_ptr<Running> running_;
    std::string log_path_;
    std::size_t log_start_ = 0;
};

/// Joins an interface of type network or bridge to it and notes in the interface what it got; nothing for other types.
Task<> attach_interface(Environment& environment, model::Interface& interface, std::string domain, engine::qemu::Launch& launch);

/// A channel or port that a client of the host connects to gets its socket, which already listens.
void listen_on_character(model::CharacterDevice& device, const std::string& folder, engine::qemu::Launch& launch);

/// What a start acquired and the process does not give back by itself: ports, folder, record.
Task<> release_resources(Environment& environment, std::shared_ptr<const model::Domain> live, std::string folder,
                         std::string name);

} // namespace domus::compute
