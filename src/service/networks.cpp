#include "service/networks.hpp"

#include "network/admission.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::service {

namespace {

/// Of the subnet that the address belongs to; alone it stands where that has gone.
unsigned prefix_of(const std::vector<Subnet>& subnets, const std::string& text) {
    const auto address = IpAddress::parse(text);
    if (!address) return 0;
    const auto found = std::ranges::find_if(subnets, [&](const Subnet& subnet) { return subnet.contains(*address); });
    return found == subnets.end() ? address->width() : found->prefix;
}

} // namespace

Task<std::vector<NetworkLease>> leases_of(network::Networks& driver, NetworkView view, std::string mac) {
    const auto all = co_await driver.leases(view.uuid, view.name);
    const auto device = view.current().bridge.name.value_or("");
    const auto subnets = network::subnets_of(view.current());
    std::vector<NetworkLease> chosen;
    for (const auto& lease : all)
        if (mac.empty() || lease.mac == mac) chosen.push_back({device, lease, prefix_of(subnets, lease.address)});
    co_return chosen;
}

network::Networks& driver_or_refuse(network::Networks* driver) {
    if (driver) return *driver;
    throw Error(ErrorCode::operation_unsupported, ErrorDomain::network,
                "this daemon runs without privileges and has no networks")
        .hint("use <interface type='user'>, or the system's daemon: qemu:///system");
}

std::vector<NetworkView> NetworkOperations::list(Flags<NetworkListFlag> flags) const {
    using enum NetworkListFlag;
    std::vector<NetworkView> chosen;
    if (!driver_) return chosen;
    for (auto& view : driver_->list())
        if (passes(flags, active, inactive, view.active) && passes(flags, persistent, transient, view.persistent)
            && passes(flags, autostart, no_autostart, view.autostart))
            chosen.push_back(std::move(view));
    return chosen;
}

NetworkView NetworkOperations::lookup_by_name(const std::string& name) const {
    if (!driver_)
        throw Error(ErrorCode::no_network, ErrorDomain::network,
                    fmt::format("Network not found: no network with matching name '{}'", name));
    return driver_->get_name(name);
}

NetworkView NetworkOperations::lookup_by_uuid(const Uuid& uuid) const { return driver().get(uuid, ""); }
NetworkView NetworkOperations::view(const NetworkRef& ref) const { return driver().get(ref.uuid, ref.name); }

std::string NetworkOperations::xml(const NetworkRef& ref, Flags<NetworkXmlFlag> flags) const {
    return driver().xml(view(ref), flags.has(NetworkXmlFlag::inactive));
}

std::string NetworkOperations::bridge_name(const NetworkRef& ref) const {
    const auto found = view(ref);
    if (found.current().bridge.name) return *found.current().bridge.name;
    throw Error(ErrorCode::internal_error, ErrorDomain::network,
                fmt::format("internal error: network '{}' does not have a bridge name.", found.name));
}

Task<std::vector<NetworkLease>> NetworkOperations::leases(NetworkRef ref, std::string mac) {
    return leases_of(driver(), view(ref), std::move(mac));
}

Task<NetworkView> NetworkOperations::define(std::string xml, Flags<NetworkDefineFlag> flags) {
    return driver().define(std::move(xml), format::reading(flags.has(NetworkDefineFlag::validate)));
}

Task<NetworkView> NetworkOperations::create_xml(std::string xml, Flags<NetworkDefineFlag> flags) {
    return driver().create(std::move(xml), format::reading(flags.has(NetworkDefineFlag::validate)));
}

Task<> NetworkOperations::update(NetworkRef ref, network::UpdateCommand command, network::UpdateSection section,
                                 int parent, std::string xml, Flags<NetworkUpdateFlag> flags) {
    return driver().update(ref.uuid, std::move(ref.name), {command, section, parent, std::move(xml)},
                           flags.has(NetworkUpdateFlag::live), flags.has(NetworkUpdateFlag::config));
}

Task<> NetworkOperations::undefine(NetworkRef ref) { return driver().undefine(ref.uuid, std::move(ref.name)); }
Task<> NetworkOperations::start(NetworkRef ref) { return driver().start(ref.uuid, std::move(ref.name)); }
Task<> NetworkOperations::destroy(NetworkRef ref) { return driver().destroy(ref.uuid, std::move(ref.name)); }
Task<> NetworkOperations::set_autostart(NetworkRef ref, bool on) {
    return driver().set_autostart(ref.uuid, std::move(ref.name), on);
}

} // namespace domus::service
