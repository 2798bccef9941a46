// The host's network interfaces.
#pragma once

#include "host/interfaces.hpp"
#include "service/caller.hpp"
#include "service/network_flags.hpp"
#include "service/objects.hpp"

#include <string>
#include <vector>

namespace domus::service {

using HostInterface = host::InterfaceView;

/// As calls name one.
struct InterfaceRef {
    std::string name;
};
inline Object object_of(const InterfaceRef& ref) { return {"interface", ref.name, {}}; }

class InterfaceOperations {
public:
    explicit InterfaceOperations(host::Interfaces& interfaces) : interfaces_(interfaces) {}

    Task<std::vector<HostInterface>> list(Flags<InterfaceListFlag> flags);
    /// Throw no_interface.
    Task<HostInterface> lookup_by_name(std::string name);
    /// Throws multiple_interfaces where several have it.
    Task<HostInterface> lookup_by_mac(std::string mac);
    Task<HostInterface> view(InterfaceRef interface);
    Task<std::string> xml(InterfaceRef interface, Flags<InterfaceXmlFlag> flags);

    Task<HostInterface> define(std::string xml, Flags<InterfaceDefineFlag> flags);
    Task<> undefine(InterfaceRef interface);
    Task<> start(InterfaceRef interface);
    Task<> destroy(InterfaceRef interface);
    Task<> begin();
    Task<> commit();
    Task<> rollback();
    /// What the change that can be taken back is: "iface-bridge eth0 br0"; empty if none is open.
    Task<std::string> open_change();

    /// `timeout`: seconds until it must be confirmed by commit(); 0: never. They return what is written, file by file.
    Task<std::string> bridge(Caller caller, InterfaceRef interface, std::string bridge, std::uint32_t delay,
                             std::uint32_t timeout, Flags<InterfaceChangeFlag> flags);
    Task<std::string> unbridge(Caller caller, InterfaceRef bridge, std::string port, std::uint32_t timeout,
                               Flags<InterfaceChangeFlag> flags);
    Task<std::string> add_vlan(InterfaceRef interface, std::uint32_t tag, std::string bridge,
                               Flags<InterfaceChangeFlag> flags);
    Task<std::string> remove_vlan(InterfaceRef interface, std::uint32_t tag, std::string bridge,
                                  Flags<InterfaceChangeFlag> flags);

private:
    host::Interfaces& interfaces_;
};

} // namespace domus::service

namespace domus::host {

inline service::Object object_of(const InterfaceView& interface) { return {"interface", interface.name, {}}; }

} // namespace domus::host
