// Operations on virtual networks.
#pragma once

#include "base/listeners.hpp"
#include "network/networks.hpp"
#include "service/network_flags.hpp"
#include "service/objects.hpp"

#include <string>
#include <vector>

namespace domus::service {

using network::NetworkView;

/// A network as calls name it.
struct NetworkRef {
    std::string name;
    Uuid uuid;
};
inline Object object_of(const NetworkRef& ref) { return {"network", ref.name, ref.uuid}; }

/// Throws operation_unsupported where there is none.
network::Networks& driver_or_refuse(network::Networks* driver);

struct NetworkLease {
    std::string device; ///< bridge
    network::Lease lease;
    unsigned prefix = 0;
};
/// Of one MAC address, or of all for "".
Task<std::vector<NetworkLease>> leases_of(network::Networks& driver, NetworkView view, std::string mac);

class NetworkOperations {
public:
    /// `driver` is null in an unprivileged daemon: then there are no networks.
    explicit NetworkOperations(network::Networks* driver) : driver_(driver) {}

    std::vector<NetworkView> list(Flags<NetworkListFlag> flags) const;
    NetworkView lookup_by_name(const std::string& name) const;
    NetworkView lookup_by_uuid(const Uuid& uuid) const;
    NetworkView view(const NetworkRef& ref) const;
    std::string xml(const NetworkRef& ref, Flags<NetworkXmlFlag> flags) const;
    std::string bridge_name(const NetworkRef& ref) const;
    /// Of one MAC address, or of all for "".
    Task<std::vector<NetworkLease>> leases(NetworkRef ref, std::string mac);

    Task<NetworkView> define(std::string xml, Flags<NetworkDefineFlag> flags);
    Task<NetworkView> create_xml(std::string xml, Flags<NetworkDefineFlag> flags);
    Task<> update(NetworkRef ref, network::UpdateCommand command, network::UpdateSection section, int parent,
                  std::string xml, Flags<NetworkUpdateFlag> flags);
    Task<> undefine(NetworkRef ref);
    Task<> start(NetworkRef ref);
    Task<> destroy(NetworkRef ref);
    Task<> set_autostart(NetworkRef ref, bool on);

    Listeners<NetworkView, network::NetworkEvent> events;

private:
    network::Networks& driver() const { return driver_or_refuse(driver_); }

    network::Networks* driver_;
};

} // namespace domus::service
