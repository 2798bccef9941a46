// For tests: what guests in memory have in place of a hypervisor. A FakeHost keeps the guests of its engines, counts the
// calls that their machines get, and lets happen in them what a test wants to go wrong.
//
//     host->inject("stop", Fault::hang);          // in the next call of that name
//     host->inject(3, Fault::die, Moment::done);  // in the fourth call from now on, when its work is done
//     EXPECT_EQ(host->calls(), ...);              // since forget_calls()
//
// It outlives the engines, as guests outlive a daemon: a second engine adopts what the first has launched.
#pragma once

#include "base/bytes.hpp"
#include "base/uuid.hpp"
#include "engine/launch.hpp"
#include "engine/machine_events.hpp"
#include "os/process.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace domus::engine::fake {

enum class Fault {
    refuse, ///< operation_failed
    hang,   ///< operation_timeout, after FakeHost::timeout
    stall,  ///< no answer until FakeHost::release() or the guest's end
    slow,   ///< the answer comes after FakeHost::timeout
    lose,   ///< operation_failed, and the machine cannot be controlled until FakeHost::reach()
    die,    ///< the guest's process ends: GuestGone
};

/// Of a fault: before the call has done anything, or when only its answer is missing.
enum class Moment { before, done };

struct Injected {
    std::string call;       ///< empty: whichever comes
    std::size_t number = 0; ///< of those calls that come first
    Fault fault = Fault::refuse;
    Moment moment = Moment::before;
};

struct Control;

/// A guest's process and what it has in it.
struct Guest {
    std::string name;
    Uuid uuid;
    std::string folder; ///< Launch::control_folder of its start
    GuestState state = GuestState::prelaunch;
    bool incoming = false;   ///< it waits for its state
    bool given_away = false; ///< its state was sent: its disks are not its own
    std::string memory;
    std::set<std::string> devices;            ///< aliases
    std::map<std::string, std::string> media; ///< by alias of the drive
    std::map<std::string, bool> links;        ///< by alias
    std::map<std::string, ByteCount> sizes;   ///< of disks that were resized, by alias
    std::string password;
    std::vector<std::uint32_t> keys;
    std::size_t nmis = 0, resets = 0;
    ByteCount balloon;
    std::chrono::seconds balloon_period{};
    unsigned vcpus = 1, booted = 1;
    bool ended = false;

    Launch launch;    ///< its descriptors, until it ends
    Process stand_in; ///< see FakeHost::processes
    std::weak_ptr<Control> control;

    /// Its process ends, and who waits for it hears of that.
    void end();
};
using GuestPtr = std::shared_ptr<Guest>;

class FakeHost {
public:
    std::chrono::milliseconds timeout{2}; ///< of calls that hang
    bool late_events = false;             ///< they come after the answers of the calls that caused them
    bool obeys_power_button = true, obeys_terminate = true;
    enum class Unplugging { done, refused, ignored } unplugging = Unplugging::done; ///< by the guest
    /// Each guest has a process that does nothing, by which a restarted daemon finds it; else pid 0.
    bool processes = false;
    /// As if the daemon was killed: a machine object that goes leaves its guest alone.
    bool abandoned = false;

    void inject(std::string call, Fault fault, Moment moment = Moment::before);
    void inject(std::size_t number, Fault fault, Moment moment = Moment::before);
    /// Calls that stall go on.
    void release();
    std::size_t stalling() const { return stalled_.size(); }
    /// In their order, by name.
    const std::vector<std::string>& calls() const { return calls_; }
    /// And the faults that have not happened yet.
    void forget_calls();
    bool has_faults() const { return !faults_.empty(); }

    /// Null if there is none that lives.
    GuestPtr guest(const Uuid& uuid) const;
    std::size_t living() const;
    /// Of all domains; by name.
    std::map<std::string, std::string>& snapshots(const Uuid& uuid) { return snapshots_[uuid.text()]; }

    /// It can be controlled again: Reached.
    void reach(const Uuid& uuid);
    /// Also one that has ended.
    bool is_lost(const Uuid& uuid) const;
    /// By itself, as a guest does.
    void report(const Uuid& uuid, MachineEvent event);

    // ---- for machines ---------------------------------------------------------------------------------------------
    void add(GuestPtr guest);
    /// Counts it; what is to happen in it.
    std::optional<Injected> enter(const std::string& call);
    std::size_t releases() const { return releases_; }
    /// A call that stalls, while it is there.
    class Stalling {
    public:
        explicit Stalling(const std::shared_ptr<Control>& control);
        Stalling(const Stalling&) = delete;
        Stalling& operator=(const Stalling&) = delete;
        ~Stalling();

    private:
        std::shared_ptr<Control> control_;
    };

private:
    std::vector<std::string> calls_;
    std::vector<Injected> faults_;
    std::vector<GuestPtr> guests_;
    std::map<std::string, std::map<std::string, std::string>> snapshots_; ///< memory, by the domain's uuid and name
    std::vector<std::shared_ptr<Control>> stalled_;
    std::size_t releases_ = 0;
};
using FakeHostPtr = std::shared_ptr<FakeHost>;

} // namespace domus::engine::fake
