// The host's network interfaces, which are looked at and not changed.
#pragma once

#include "async/lane.hpp"
#include "host/interfaces.hpp"
#include "service/network_flags.hpp"
#include "service/objects.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::service {

using HostInterface = netlink::Link;

class InterfaceOperations {
public:
    Task<std::vector<HostInterface>> list(Flags<InterfaceListFlag> flags);
    /// Throw no_interface.
    Task<HostInterface> lookup_by_name(std::string name);
    /// Throws multiple_interfaces where several have it.
    Task<HostInterface> lookup_by_mac(std::string mac);
    Task<HostInterface> view(std::string interface);
    Task<std::string> xml(std::string interface, Flags<InterfaceXmlFlag> flags);

private:
    Task<std::vector<HostInterface>> read();

    std::unique_ptr<Lane> lane_; ///< made when somebody asks for them
};

} // namespace domus::service

namespace domus::netlink {

inline service::Object object_of(const Link& interface) { return {"interface", interface.name, {}}; }

} // namespace domus::netlink
