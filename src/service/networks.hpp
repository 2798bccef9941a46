// Operations on virtual networks.
#pragma once

#include "base/listeners.hpp"
#include "network/driver.hpp"
#include "service/caller.hpp"
#include "service/domains.hpp"

#include <string>
#include <vector>

namespace domus::service {

using network::NetworkView;

class NetworkOperations {
public:
    /// `driver` is null in an unprivileged daemon: then there are no networks.
    explicit NetworkOperations(network::Driver* driver) : driver_(driver) {}

    /// virConnectListAllNetworksFlags.
    std::vector<NetworkView> list(unsigned flags) const;
    NetworkView lookup_by_name(const std::string& name) const;
    NetworkView lookup_by_uuid(const Uuid& uuid, const std::string& name) const;
    std::string xml(const Uuid& uuid, const std::string& name, unsigned flags) const;
    std::string bridge_name(const Uuid& uuid, const std::string& name) const;

    /// `flags`: virNetworkDefineFlags and virNetworkCreateFlags.
    Task<NetworkView> define(Caller caller, std::string xml, unsigned flags = 0);
    Task<NetworkView> create_xml(Caller caller, std::string xml, unsigned flags = 0);
    /// Throws what define() would throw for it, and changes nothing.
    Task<> check(std::string xml) { return driver().check(std::move(xml)); }
    Task<> undefine(Caller caller, Uuid uuid, std::string name);
    Task<> create(Caller caller, Uuid uuid, std::string name);
    Task<> destroy(Caller caller, Uuid uuid, std::string name);
    Task<> set_autostart(Caller caller, Uuid uuid, std::string name, bool on);

    struct Lease {
        std::string device; ///< bridge
        network::Lease lease;
        unsigned prefix = 24;
    };
    /// Of one MAC address, or of all for "".
    Task<std::vector<Lease>> leases(Uuid uuid, std::string name, std::string mac);

    /// Source 0: leases; 2: the host's neighbour table (virDomainInterfaceAddressesSource). The agent is the domain's affair.
    Task<std::vector<compute::GuestInterface>> addresses(DomainViewPtr domain, unsigned source);

    Listeners<NetworkView, network::NetworkEvent> events;

private:
    network::Driver& driver() const;

    network::Driver* driver_;
};

} // namespace domus::service
