#include "service/guests.hpp"

#include "compute/domain/errors.hpp"
#include "os/files.hpp"
#include "service/networks.hpp"

#include <fmt/format.h>

#include <sstream>

namespace domus::service {

namespace {

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

void add_neighbours(compute::GuestInterface& entry) {
    for (const auto& [mac, address] : neighbours())
        if (mac == entry.mac) entry.addresses.emplace_back(address, 0);
}

} // namespace

Task<> GuestOperations::add_leases(std::string network, compute::GuestInterface& entry) {
    const auto all = co_await leases_of(*networks_, networks_->get_name(network), entry.mac);
    for (const auto& lease : all) entry.addresses.emplace_back(lease.lease.address, lease.prefix);
}

Task<std::vector<compute::GuestInterface>> GuestOperations::addresses(compute::DomainRef ref, AddressSource source) {
    const auto domain = domains_.get(ref.uuid, ref.name);
    if (source == AddressSource::agent) {
        auto interfaces = co_await compute::guest_interfaces(domain);
        co_return interfaces;
    }
    const auto view = domain->view();
    if (!view->active()) throw compute::invalid_operation("domain is not running");
    if (source != AddressSource::lease && source != AddressSource::arp)
        throw Error(
            ErrorCode::argument_unsupported, ErrorDomain::qemu,
            fmt::format("argument unsupported: Unknown IP address data source {}", static_cast<unsigned>(source)));
    std::vector<compute::GuestInterface> found;
    for (const auto& interface : view->live->domain->devices.interfaces) {
        compute::GuestInterface entry{interface.target_dev.value_or(""), interface.mac.value_or(""), {}};
        if (source == AddressSource::arp)
            add_neighbours(entry);
        else if (interface.type == model::InterfaceType::network && interface.source.network && networks_)
            co_await add_leases(*interface.source.network, entry);
        if (!entry.addresses.empty()) found.push_back(std::move(entry));
    }
    co_return found;
}

} // namespace domus::service
