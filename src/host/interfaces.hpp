// Network interfaces of the host, as the kernel shows them in /sys/class/net. Small reads of files in memory.
#pragma once

#include <string>
#include <vector>

namespace domus::host {

struct HostInterface {
    std::string name;
    std::string mac;
    bool up = false;                ///< by the administrator: IFF_UP
    std::string state;              ///< "up", "down", "unknown", ... (operstate, RFC 2863)
    std::vector<std::string> ports; ///< of a bridge
    bool bridge = false;
};

/// In the order of their names. `root` is "" for the real tree.
std::vector<HostInterface> read_interfaces(const std::string& root = "");

/// <interface> of one, as libvirt's udev back end writes it.
std::string interface_xml(const HostInterface& interface, const std::vector<HostInterface>& all);

} // namespace domus::host
