// The host's network interfaces: what the kernel has, what the host's configuration says (backends/), and changes of both.
//
// A change is made as a whole: its record is on the disk first (change_record.hpp), files and devices follow, and what fails
// takes back what was done. One that may cut off whoever asked for it waits to be confirmed: if that does not happen in
// time, or the connection that asked ends before, the old state returns by itself. So it does at the next start of a daemon
// that was killed in the middle, and after a reboot.
//
// The object is used on the loop; its work blocks in a lane of its own. All throw Error.
#pragma once

#include "async/task.hpp"
#include "host/device_state.hpp"
#include "model/host_interface.hpp"
#include "os/netlink/link.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace domus::host {

struct InterfaceView : netlink::Link {
    bool defined = false; ///< the host's configuration has it
};

struct InterfaceSettings {
    std::filesystem::path root = "/"; ///< below which the host's configuration lies
    std::filesystem::path folder{};   ///< of our records: /var/lib/domus/interfaces
    bool may_change = true;           ///< false in a daemon of a user
    OnStep on_step{};                 ///< for tests: called in the lane
};

/// What is asked of a change that is made as one.
struct ChangeOptions {
    bool start = true;                ///< also in the kernel
    bool dry_run = false;             ///< tell what would be written
    std::chrono::seconds timeout{30}; ///< until it must be confirmed; 0: it is kept at once
    std::uint64_t connection = 0;     ///< whose end takes it back
};

class Interfaces {
public:
    Interfaces(Executor executor, InterfaceSettings settings);

    /// Takes back what was cut off. What fails is in the log, and stays recorded for the next start.
    Task<> load();

    /// In the order of their names, those that are only configured too.
    Task<std::vector<InterfaceView>> list();
    /// Throws no_interface.
    Task<InterfaceView> get(std::string name);
    /// As it is, or with `inactive` as it is defined; of what is not, the other.
    Task<std::string> xml(std::string name, bool inactive);

    Task<InterfaceView> define(std::string xml, bool validate);
    Task<> undefine(std::string name);
    /// Throws operation_invalid for one that is up.
    Task<> start(std::string name);
    /// Throws operation_invalid for one that is down.
    Task<> destroy(std::string name);

    /// Throw internal_error, as libvirt's driver does, where one is open, or none.
    Task<> begin();
    Task<> commit();
    Task<> rollback();
    /// "iface-bridge eth0 br0": what is open; empty if nothing is.
    Task<std::string> open_change();

    /// Each returns what was or would be written, file by file.
    struct Bridging {
        std::string interface, bridge;
        bool stp = true;
        unsigned delay_s = 0;
    };
    Task<std::string> bridge(Bridging wanted, ChangeOptions options);
    /// An empty `interface` is the bridge's only port.
    Task<std::string> unbridge(std::string bridge, std::string interface, ChangeOptions options);
    struct VlanBridge {
        std::string parent;
        unsigned tag = 0;
        std::string bridge; ///< empty: "brvlan10"
    };
    /// A VLAN "eth0.10" and a bridge that joins it.
    Task<std::string> add_vlan(VlanBridge wanted, ChangeOptions options);
    Task<std::string> remove_vlan(VlanBridge wanted, ChangeOptions options);

    void connection_closed(std::uint64_t connection);

private:
    struct State;
    struct Work;
    std::shared_ptr<State> state_;
};

} // namespace domus::host
