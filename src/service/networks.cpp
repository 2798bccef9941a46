#include "service/networks.hpp"

#include "base/log.hpp"
#include "network/admission.hpp"
#include "os/files.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

#include <sstream>

namespace domus::service {

namespace {

constexpr unsigned validate_document = 1; // VIR_NETWORK_DEFINE_VALIDATE, VIR_NETWORK_CREATE_VALIDATE

void audit(const Caller& caller, std::string_view operation, const std::string& name) {
    log::info("{} network '{}' asked by uid {} (connection {})", operation, name, caller.who.uid, caller.connection);
}

bool passes(unsigned flags, unsigned yes, unsigned no, bool value) {
    return !(flags & (yes | no)) || (flags & (value ? yes : no));
}

/// The kernel's table of neighbours: IP address, type, flags, MAC address, mask, device (proc(5), /proc/net/arp).
std::vector<std::pair<std::string, std::string>> neighbours() {
    std::vector<std::pair<std::string, std::string>> all;
    std::istringstream lines(read_file("/proc/net/arp", 16u << 20));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string address, type, flags, mac;
        if (fields >> address >> type >> flags >> mac && flags != "0x0") all.emplace_back(mac, address);
    }
    return all;
}

} // namespace

network::Driver& NetworkOperations::driver() const {
    if (driver_) return *driver_;
    throw Error(ErrorCode::operation_unsupported, ErrorDomain::network,
                "this daemon runs without privileges and has no networks")
        .hint("use <interface type='user'>, or the system's daemon: qemu:///system");
}

std::vector<NetworkView> NetworkOperations::list(unsigned flags) const {
    constexpr unsigned inactive = 1, active = 2, persistent = 4, transient = 8, autostart = 16, no_autostart = 32;
    require_flags(flags, 63, "virConnectListAllNetworks");
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

NetworkView NetworkOperations::lookup_by_uuid(const Uuid& uuid, const std::string& name) const {
    return driver().get(uuid, name);
}

std::string NetworkOperations::xml(const Uuid& uuid, const std::string& name, unsigned flags) const {
    constexpr unsigned inactive = 1;
    require_flags(flags, inactive, "virNetworkGetXMLDesc");
    return driver().xml(lookup_by_uuid(uuid, name), flags & inactive);
}

std::string NetworkOperations::bridge_name(const Uuid& uuid, const std::string& name) const {
    const auto view = lookup_by_uuid(uuid, name);
    if (view.current().bridge.name) return *view.current().bridge.name;
    throw Error(ErrorCode::internal_error, ErrorDomain::network,
                fmt::format("internal error: network '{}' does not have a bridge name.", view.name));
}

Task<NetworkView> NetworkOperations::define(Caller caller, std::string xml, unsigned flags) {
    require_flags(flags, validate_document, "virNetworkDefineXMLFlags");
    auto view = co_await driver().define(std::move(xml), format::reading(flags & validate_document));
    audit(caller, "define", view.name);
    co_return view;
}

Task<NetworkView> NetworkOperations::create_xml(Caller caller, std::string xml, unsigned flags) {
    require_flags(flags, validate_document, "virNetworkCreateXMLFlags");
    auto view = co_await driver().create(std::move(xml), format::reading(flags & validate_document));
    audit(caller, "create", view.name);
    co_return view;
}

Task<> NetworkOperations::undefine(Caller caller, Uuid uuid, std::string name) {
    audit(caller, "undefine", name);
    co_await driver().undefine(uuid, name);
}

Task<> NetworkOperations::create(Caller caller, Uuid uuid, std::string name) {
    audit(caller, "start", name);
    co_await driver().start(uuid, name);
}

Task<> NetworkOperations::destroy(Caller caller, Uuid uuid, std::string name) {
    audit(caller, "destroy", name);
    co_await driver().destroy(uuid, name);
}

Task<> NetworkOperations::set_autostart(Caller caller, Uuid uuid, std::string name, bool on) {
    audit(caller, on ? "autostart" : "autostart --disable", name);
    co_await driver().set_autostart(uuid, name, on);
}

Task<std::vector<NetworkOperations::Lease>> NetworkOperations::leases(Uuid uuid, std::string name, std::string mac) {
    const auto view = lookup_by_uuid(uuid, name);
    const auto all = co_await driver().leases(uuid, name);
    std::vector<Lease> chosen;
    const auto subnets = network::subnets_of(view.current());
    const auto prefix = subnets.empty() ? 24u : subnets.front().prefix;
    for (const auto& lease : all)
        if (mac.empty() || lease.mac == mac) chosen.push_back({view.current().bridge.name.value_or(""), lease, prefix});
    co_return chosen;
}

Task<std::vector<compute::GuestInterface>> NetworkOperations::addresses(DomainViewPtr domain, unsigned source) {
    constexpr unsigned from_leases = 0, from_neighbours = 2;
    if (!domain->active())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain is not running");
    if (source != from_leases && source != from_neighbours)
        throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                    fmt::format("argument unsupported: Unknown IP address data source {}", source));
    std::vector<compute::GuestInterface> found;
    for (const auto& interface : domain->live->domain->devices.interfaces) {
        compute::GuestInterface entry{interface.target_dev.value_or(""), interface.mac.value_or(""), {}};
        if (source == from_neighbours) {
            for (const auto& [mac, address] : neighbours())
                if (mac == entry.mac) entry.addresses.emplace_back(address, 0);
        } else if (interface.type == model::InterfaceType::network && interface.source.network && driver_) {
            const auto view = driver_->get_name(*interface.source.network);
            const auto all = co_await leases(view.uuid, view.name, entry.mac);
            for (const auto& lease : all) entry.addresses.emplace_back(lease.lease.address, lease.prefix);
        }
        if (!entry.addresses.empty()) found.push_back(std::move(entry));
    }
    co_return found;
}

} // namespace domus::service
