// What a change of interfaces makes of the kernel's devices: the states before and after. Nothing is touched.
#pragma once

#include "host/device_state.hpp"
#include "host/dhcp_client.hpp"
#include "model/host_interface.hpp"

#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace domus::host {

class DevicePlan {
public:
    /// How a device and its members are read: from the kernel, or in tests from a table.
    struct Source {
        std::function<DeviceState(const std::string&)> device = read_device;
        std::function<std::vector<std::string>(const std::string&)> members = members_now;
    };
    DevicePlan() = default;
    explicit DevicePlan(Source source) : source_(std::move(source)) {}

    /// As it is wanted so far; read when it is first named.
    DeviceState& device(const std::string& name);
    std::vector<std::string> members(const std::string& name) const { return source_.members(name); }

    const DeviceStates& before() const { return before_; }
    DeviceStates after() const { return {after_.begin(), after_.end()}; }

    std::vector<LeaseMove> leases; ///< new ones, and those that go to another device with their address

private:
    Source source_;
    DeviceStates before_;
    std::deque<DeviceState> after_; ///< references to its elements stay good
};

/// Brings an interface up as it is defined, with what is below it. Addresses and routes of what a bridge or a bond takes in go
/// over to it. Throws operation_failed for a device that is missing, of another kind, or in another bridge.
void plan_start(DevicePlan& plan, const model::HostInterface& interface);
/// Takes a bridge, bond or VLAN away, and leaves its members down; takes addresses and routes from others, and brings them down.
void plan_stop(DevicePlan& plan, const std::string& name);
/// Gives the bridge's addresses and routes to its only port and takes the bridge away. Throws operation_failed where it has
/// others: guests, say.
void plan_unbridge(DevicePlan& plan, const std::string& bridge, const std::string& port);

} // namespace domus::host
