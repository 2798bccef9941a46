#include "service/interfaces.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::service {

namespace {

host::ChangeOptions options_of(Flags<InterfaceChangeFlag> flags, std::uint32_t timeout, std::uint64_t connection) {
    return {.start = !flags.has(InterfaceChangeFlag::no_start),
            .dry_run = flags.has(InterfaceChangeFlag::dry_run),
            .timeout = std::chrono::seconds(timeout),
            .connection = connection};
}

} // namespace

Task<std::vector<HostInterface>> InterfaceOperations::list(Flags<InterfaceListFlag> flags) {
    auto all = co_await interfaces_.list();
    std::erase_if(all, [&](const HostInterface& interface) {
        return !passes(flags, InterfaceListFlag::active, InterfaceListFlag::inactive, interface.up);
    });
    co_return all;
}

Task<HostInterface> InterfaceOperations::lookup_by_name(std::string name) { return interfaces_.get(std::move(name)); }

Task<HostInterface> InterfaceOperations::lookup_by_mac(std::string mac) {
    auto found = co_await interfaces_.list();
    std::erase_if(found, [&](const HostInterface& interface) { return interface.mac != mac; });
    if (found.empty())
        throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                    fmt::format("Interface not found: couldn't find interface with MAC address '{}'", mac));
    if (found.size() > 1)
        throw Error(ErrorCode::multiple_interfaces, ErrorDomain::interface,
                    "multiple interfaces with matching MAC address")
            .hint("look it up by its name");
    co_return std::move(found.front());
}

Task<HostInterface> InterfaceOperations::view(InterfaceRef interface) {
    return interfaces_.get(std::move(interface.name));
}

Task<std::string> InterfaceOperations::xml(InterfaceRef interface, Flags<InterfaceXmlFlag> flags) {
    return interfaces_.xml(std::move(interface.name), flags.has(InterfaceXmlFlag::inactive));
}

Task<HostInterface> InterfaceOperations::define(std::string xml, Flags<InterfaceDefineFlag> flags) {
    return interfaces_.define(std::move(xml), flags.has(InterfaceDefineFlag::validate));
}

Task<> InterfaceOperations::undefine(InterfaceRef interface) { return interfaces_.undefine(std::move(interface.name)); }
Task<> InterfaceOperations::start(InterfaceRef interface) { return interfaces_.start(std::move(interface.name)); }
Task<> InterfaceOperations::destroy(InterfaceRef interface) { return interfaces_.destroy(std::move(interface.name)); }
Task<> InterfaceOperations::begin() { return interfaces_.begin(); }
Task<> InterfaceOperations::commit() { return interfaces_.commit(); }
Task<> InterfaceOperations::rollback() { return interfaces_.rollback(); }

Task<std::string> InterfaceOperations::open_change() { return interfaces_.open_change(); }

Task<std::string> InterfaceOperations::bridge(Caller caller, InterfaceRef interface, std::string bridge,
                                              std::uint32_t delay, std::uint32_t timeout,
                                              Flags<InterfaceChangeFlag> flags) {
    host::Interfaces::Bridging wanted;
    wanted.interface = std::move(interface.name);
    wanted.bridge = std::move(bridge);
    wanted.stp = !flags.has(InterfaceChangeFlag::no_stp);
    wanted.delay_s = delay;
    return interfaces_.bridge(std::move(wanted), options_of(flags, timeout, caller.connection));
}

Task<std::string> InterfaceOperations::unbridge(Caller caller, InterfaceRef bridge, std::string port,
                                                std::uint32_t timeout, Flags<InterfaceChangeFlag> flags) {
    return interfaces_.unbridge(std::move(bridge.name), std::move(port), options_of(flags, timeout, caller.connection));
}

namespace {

host::Interfaces::VlanBridge vlan_bridge(InterfaceRef parent, std::uint32_t tag, std::string bridge) {
    host::Interfaces::VlanBridge wanted;
    wanted.parent = std::move(parent.name);
    wanted.tag = tag;
    wanted.bridge = std::move(bridge);
    return wanted;
}

} // namespace

Task<std::string> InterfaceOperations::add_vlan(InterfaceRef interface, std::uint32_t tag, std::string bridge,
                                                Flags<InterfaceChangeFlag> flags) {
    return interfaces_.add_vlan(vlan_bridge(std::move(interface), tag, std::move(bridge)), options_of(flags, 0, 0));
}

Task<std::string> InterfaceOperations::remove_vlan(InterfaceRef interface, std::uint32_t tag, std::string bridge,
                                                   Flags<InterfaceChangeFlag> flags) {
    return interfaces_.remove_vlan(vlan_bridge(std::move(interface), tag, std::move(bridge)), options_of(flags, 0, 0));
}

} // namespace domus::service
