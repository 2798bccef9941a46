// Network devices as they are in the kernel, whole, so that they can be made so again; and how they are wanted. A change of
// interfaces is a plan, which makes the wanted states of the present ones and touches nothing (plan.hpp), and apply(), which
// makes them so. Taking it back is apply() of the states before. Reading and applying block: use a lane. They throw Error.
#pragma once

#include "format/schema.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::host {

/// An address as the kernel told it (os/netlink/carry.hpp), in base64.
struct KeptAddress {
    std::string from; ///< the device that carried it
    std::string message;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const KeptAddress&) const = default;
};

struct KeptRoute {
    std::string message;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const KeptRoute&) const = default;
};

/// Of a bond, by the kernel's numbers.
struct KeptBond {
    unsigned mode = 0;
    std::optional<unsigned> miimon, updelay, downdelay, use_carrier, arp_interval, arp_validate;
    std::optional<std::string> arp_target;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const KeptBond&) const = default;
};

struct DeviceState {
    std::string name;
    bool present = false;
    bool up = false;
    std::string kind{}; ///< "bridge", "bond", "vlan": can be made; others are hardware to us
    std::optional<std::string> mac{};
    std::optional<unsigned> mtu{};
    std::optional<std::string> master{};
    std::optional<std::string> parent{}; ///< vlan
    std::optional<unsigned> tag{};       ///< vlan
    std::optional<bool> stp{};           ///< bridge
    std::optional<unsigned> delay{};     ///< bridge: hundredths of a second
    std::optional<KeptBond> bond{};
    std::vector<KeptAddress> addresses{};
    std::vector<KeptRoute> routes{};
    format::Rest rest{};

    static const format::Schema& schema();
    bool operator==(const DeviceState&) const = default;
};
using DeviceStates = std::vector<DeviceState>;

/// One that does not exist is not present.
DeviceState read_device(const std::string& name);
/// The devices that belong to a bridge or bond now.
std::vector<std::string> members_now(const std::string& device);

/// Called with the name of each step before it is done.
using OnStep = std::function<void(std::string_view)>;

/// In an order in which an address is always on some device, and a route always leads somewhere: connections through them
/// go on. Throws at the first step that fails.
void apply(const DeviceStates& wanted, const OnStep& on_step = {});
/// The same with all steps, whatever fails; then throws the first failure. For taking back.
void apply_all(const DeviceStates& wanted, const OnStep& on_step = {});

} // namespace domus::host
