// Network devices of the host: what there is, and changes of one. By rtnetlink(7): a call takes well under a millisecond,
// but waits for a lock of the kernel that a slow driver may hold, so call it in a lane. All throw Error.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace domus::netlink {

struct Link {
    int index = 0;
    std::string name{};
    std::string kind{};  ///< "bridge", "tun", "vlan", ... (ip-link(8)); empty for hardware and the loopback
    std::string mac{};   ///< "52:54:00:12:34:56"; empty for a device that has no address
    std::string alias{}; ///< of ip-link(8); empty if there is none
    std::string state{}; ///< "up", "down", "unknown", "lowerlayerdown", ... (operstate, RFC 2863)
    unsigned mtu = 0;
    bool up = false;  ///< by the administrator: IFF_UP
    int master = 0;   ///< index of the bridge or bond that it belongs to; 0: none
    int parent = 0;   ///< index of the device that a VLAN stands on; 0: none, or it is in another network namespace
    unsigned tag = 0; ///< of a VLAN
    bool loopback = false;

    bool is_bridge() const { return kind == "bridge"; }
};

/// All, in the order in which they were made.
std::vector<Link> links();
std::optional<Link> find_link(const std::string& name);
/// Of that index; empty if there is none.
std::string link_name(int index);
/// The names of the devices that belong to this one, in the order of `all`.
std::vector<std::string> ports_of(const Link& bridge, const std::vector<Link>& all);

/// Nothing happens if there is no such device.
void delete_link(const std::string& name);
void set_mac(const std::string& name, const std::string& mac);
void set_mtu(const std::string& name, unsigned mtu);
void set_up(const std::string& name);
void set_down(const std::string& name);
/// At most 255 bytes.
void set_alias(const std::string& name, const std::string& alias);
/// Makes a device a port of a bridge, or a member of a bond, which it must be down for.
void set_master(const std::string& device, const std::string& bridge);
/// It belongs to no bridge or bond any more.
void release_from_master(const std::string& device);

} // namespace domus::netlink
