// Network devices of the host through rtnetlink (rtnetlink(7)) and /dev/net/tun. Each call blocks for well under a
// millisecond, but the kernel's lock that they share may be held: call them in a lane. All throw Error.
#pragma once

#include "base/subnet.hpp"
#include "os/unique_fd.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace domus::network {

struct BridgeWish {
    std::string name;
    std::string mac;
    bool stp = true;
    unsigned delay_s = 0; ///< forward delay
    std::optional<unsigned> mtu;
    std::string alias{}; ///< "alias" of ip-link(8); by it we know again what we made; at most 255 bytes
};

void create_bridge(const BridgeWish& wish);
/// Whether there is a bridge of this name that has this alias or this address.
bool is_bridge_of(const BridgeWish& wish);
/// The alias of each bridge whose alias begins so.
std::map<std::string, std::string> bridges_with_alias(const std::string& beginning);
std::vector<std::string> bridge_ports(const std::string& name);
void delete_link(const std::string& name);
bool link_exists(const std::string& name);
std::vector<std::string> link_names();
void set_mac(const std::string& name, const std::string& mac);
void set_up(const std::string& name);
void set_mtu(const std::string& name, unsigned mtu);
void add_address(const std::string& name, const Subnet& address);
void enslave(const std::string& device, const std::string& bridge);

/// The guest's address with 0xfe as its first byte: a bridge without an address of its own takes the least of its ports,
/// which is then never that of a guest that comes and goes.
std::string tap_mac(const std::string& guest);

/// Addresses and routes of the host: what a new network must not overlap.
std::vector<Subnet> subnets_in_use();

struct Tap {
    std::string name;
    std::vector<UniqueFd> queues;
};
/// What happens if a device of the wanted name exists.
enum class Existing { refused, joined };
/// A new tap device "vnetN" (or of this name); it goes with its last descriptor. Throws system_error with EBUSY's words if
/// another device has the name, unless it may be joined. (Linux Documentation/networking/tuntap.rst)
Tap open_tap(const std::string& name, unsigned queues, Existing existing = Existing::refused);

} // namespace domus::network
