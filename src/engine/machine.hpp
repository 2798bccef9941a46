// A guest that runs, in the words of the field: what can be asked of it whatever runs it. A machine is made by an Engine.
//
//     auto machine = co_await engine.launch(live, std::move(launch));
//     machine->listen([](const MachineEvent& event) { ... });
//     const auto made = co_await machine->set_up(live);
//     co_await machine->run();
//
// A machine need not answer: each call has a timeout of its own and throws operation_timeout. A guest that has gone ends
// each call by itself, with GuestGone: who gets a result has a guest. `kill` works on a machine that answers nothing.
// Calls may overlap; whoever drives a machine keeps those apart that must not (the domain's queue).
#pragma once

#include "async/deadline.hpp"
#include "async/task.hpp"
#include "base/bytes.hpp"
#include "base/error.hpp"
#include "engine/launch.hpp"
#include "engine/machine_events.hpp"
#include "engine/machine_statistics.hpp"
#include "model/domain.hpp"
#include "os/process.hpp"
#include "os/unique_fd.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::engine {

/// The guest's process has ended: thrown by each call of its machine, also by those that were under way.
class GuestGone : public Error {
public:
    explicit GuestGone(const std::string& domain);
};

/// A transfer of state; shared with whoever looks at its progress or wants it to end.
struct Transfer {
    TransferStatistics statistics;
    bool cancel_wanted = false;
};

/// The vCPUs that a guest has.
struct Vcpus {
    unsigned present = 0;     ///< now
    unsigned booted = 0;      ///< that it began with, which cannot be unplugged
    std::vector<int> threads; ///< of the host
};

/// What a machine has made of its definition.
struct SetUp {
    model::Domain live; ///< with what the machine has chosen: terminals, queues, places of memory
    Vcpus vcpus;
};

/// A device on its way into a machine.
struct Plugging {
    model::Domain live;               ///< the live definition with the device
    std::vector<std::string> aliases; ///< of what is new in it, in the order in which it is plugged
    Launch launch;                    ///< what was opened for it
};

struct MediumChange {
    model::Domain before, after; ///< live definitions
    std::string alias;           ///< of the drive
    Launch launch;               ///< the new medium's image, if it has one
    bool force = false;          ///< though the guest has locked the drive
};

struct StatisticsWish {
    std::shared_ptr<const model::Domain> live;
    bool balloon = true; ///< else the size of the balloon is known already
};

class Machine {
public:
    virtual ~Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // ---- its process ----------------------------------------------------------------------------------------------
    /// pid 0 where there is none.
    virtual const Process& process() const = 0;
    /// Asks the process to end; it writes what it keeps of its images.
    virtual void terminate() = 0;
    virtual void kill() = 0;
    /// True once the process has ended, false at the deadline.
    virtual Task<bool> ended(Deadline by) = 0;
    virtual bool has_ended() const = 0;
    /// It outlives us from now on; until then it ends with this object.
    virtual void release() = 0;

    // ---- control --------------------------------------------------------------------------------------------------
    /// Events from now on. The handler must not throw.
    virtual void listen(std::function<void(const MachineEvent&)> handler) = 0;
    /// Whether calls can be answered. A machine that is not reachable while its process runs is tried again and again;
    /// then Reached is reported.
    virtual bool reachable() const = 0;
    /// Gives up the control connection.
    virtual void disconnect() = 0;

    /// After the launch, before the guest runs: waits until the machine answers, and tells it what it could not be told
    /// before (limits, links, balloon, vCPUs).
    virtual Task<SetUp> set_up(model::Domain live) = 0;

    // ---- its life -------------------------------------------------------------------------------------------------
    virtual Task<> run() = 0;
    virtual Task<> stop() = 0;
    virtual Task<> reset() = 0;
    virtual Task<> press_power_button() = 0;
    virtual Task<> inject_nmi() = 0;
    /// Keys by QEMU's number (Linux key codes in xtkbd form); all at once, for that long, 0: the machine's default.
    virtual Task<> send_keys(std::vector<std::uint32_t> numbers, std::chrono::milliseconds hold) = 0;
    /// As a portable pixmap into an open file. `video`: alias of the card, empty: the first.
    virtual Task<> screenshot(UniqueFd into, std::string video, unsigned head) = 0;
    /// All of its memory as an ELF file. The guest stands still meanwhile.
    virtual Task<> dump_memory(UniqueFd into) = 0;

    // ---- its state ------------------------------------------------------------------------------------------------
    /// Memory and devices of a guest that stands still into a file. Throws operation_aborted if it was cancelled,
    /// operation_failed with the reason. Until the guest runs again, or reactivate(), its disks are not its own.
    virtual Task<> send_state(UniqueFd into, std::shared_ptr<Transfer> transfer) = 0;
    /// Of a machine that was launched to receive it.
    virtual Task<> receive_state(UniqueFd from, std::shared_ptr<Transfer> transfer) = 0;
    virtual Task<> cancel_transfer() = 0;
    /// Cancels one that somebody else began, and waits for its end.
    virtual Task<> abandon_transfer() = 0;
    /// After send_state: the guest has its disks again and stands still.
    virtual Task<> reactivate() = 0;

    /// Memory and disks of a guest that stands still into the images of these disks, and back.
    virtual Task<> save_snapshot(std::string name, std::vector<model::Disk> disks) = 0;
    virtual Task<> load_snapshot(std::string name, std::vector<model::Disk> disks) = 0;
    virtual Task<> delete_snapshot(std::string name, std::vector<model::Disk> disks) = 0;
    /// Waits for such work that somebody else began, if there is any.
    virtual Task<> await_snapshot() = 0;

    // ---- its devices ----------------------------------------------------------------------------------------------
    /// All of it, or nothing. Returns the paths of the terminals that were made, by alias.
    virtual Task<std::map<std::string, std::string>> plug(Plugging what) = 0;
    /// Asks the guest to let it go: DeviceGone or UnplugRefused is reported.
    virtual Task<> unplug(std::string alias) = 0;
    /// Aliases of devices that `live` has and the machine has no longer: the guest let them go unseen.
    virtual Task<std::vector<std::string>> missing_devices(std::shared_ptr<const model::Domain> live) = 0;
    /// Gives back what the host has for a device that has gone.
    virtual Task<> release_device(std::shared_ptr<const model::Domain> live, std::string alias) = 0;
    /// Throws while the old medium is in the drive. Returns why the new one could not be put in: then it is empty.
    virtual Task<std::exception_ptr> change_medium(MediumChange what) = 0;
    virtual Task<> set_link(std::string alias, bool up) = 0;
    virtual Task<> set_display_password(model::GraphicsType display, std::string password,
                                        std::optional<std::string> connected) = 0;
    /// Hands over a client's connection.
    virtual Task<> add_display_client(model::GraphicsType display, UniqueFd client, bool skip_authentication) = 0;
    virtual Task<> resize_disk(model::Disk disk, ByteCount size) = 0;
    /// Values that the machine has chosen for what `live` leaves open, noted there.
    virtual Task<model::Domain> learn(model::Domain live) = 0;

    // ---- memory, processors, statistics ---------------------------------------------------------------------------
    virtual Task<> set_balloon(ByteCount amount) = 0;
    /// How often the guest's driver reports its memory; 0: never.
    virtual Task<> set_balloon_period(model::MemoryBalloon balloon, std::chrono::seconds period) = 0;
    /// Plugs processors in, or asks the guest to let them go; returns what it has after a while.
    virtual Task<Vcpus> set_vcpus(std::shared_ptr<const model::Domain> live, unsigned count) = 0;
    virtual Task<MachineStatistics> statistics(StatisticsWish wish) = 0;

protected:
    Machine() = default;
};

} // namespace domus::engine
