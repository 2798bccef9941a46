// Virtual networks: definitions on disk, bridges with DHCP, DNS and rules of the firewall while they run, and the ports
// of domains on them. A network is started when a domain needs it, and the default one makes itself.
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/task.hpp"
#include "model/network.hpp"
#include "network/dnsmasq.hpp"
#include "network/ports.hpp"
#include "os/process.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace domus::network {

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml: /etc/domus/qemu/networks
    std::filesystem::path autostart;
    std::filesystem::path state;       ///< records of running networks: /run/domus/network
    std::filesystem::path library;     ///< leases, dnsmasq's files: /var/lib/domus/dnsmasq
};

/// virNetworkEventLifecycleType.
enum class NetworkEvent : int { defined, undefined, started, stopped };

/// What readers see; immutable.
struct NetworkView {
    std::string name;
    Uuid uuid;
    bool active = false, autostart = false, persistent = false;
    std::shared_ptr<const model::Network> live, definition;
    const model::Network& current() const { return live ? *live : *definition; }
};

class Driver : public Ports {
public:
    Driver(Executor executor, Folders folders, std::function<void(const NetworkView&, NetworkEvent)> emit);
    ~Driver() override;

    /// Reads definitions, takes over what still runs, and defines the network "default" on a host that never had one.
    Task<> load();
    Task<> autostart();

    std::vector<NetworkView> list() const;
    /// Throw Error no_network in libvirt's words.
    NetworkView get(const Uuid& uuid, const std::string& name) const;
    NetworkView get_name(const std::string& name) const;

    Task<NetworkView> define(std::string xml);
    /// Starts a network that is not kept.
    Task<NetworkView> create(std::string xml);
    Task<> undefine(Uuid uuid, std::string name);
    Task<> start(Uuid uuid, std::string name);
    Task<> destroy(Uuid uuid, std::string name);
    Task<> set_autostart(Uuid uuid, std::string name, bool on);
    std::string xml(const NetworkView& view, bool inactive) const;
    Task<std::vector<Lease>> leases(Uuid uuid, std::string name);

    Task<Port> attach(model::Interface interface, std::string domain) override;
    Task<> detach(std::string device) override;
    void adopt(const model::Interface& interface) override;

private:
    struct Network;
    using NetworkPtr = std::shared_ptr<Network>;

    NetworkPtr find(const Uuid& uuid, const std::string& name) const;
    NetworkPtr find_name(const std::string& name) const;
    NetworkView view(const Network& network) const;
    Task<> run(NetworkPtr network);
    Task<> stop(NetworkPtr network);
    Task<> end_dnsmasq(NetworkPtr network);
    Task<> make_bridge(NetworkPtr network, std::shared_ptr<model::Network> live);
    Task<> run_dnsmasq(NetworkPtr network, std::shared_ptr<model::Network> live);
    Task<> apply_rules(std::string script);
    Task<> save(NetworkPtr network);
    Task<> define_default();
    DnsmasqFiles files_of(const std::string& name) const;
    void admit(model::Network& wanted) const;

    Executor executor_;
    Folders folders_;
    std::function<void(const NetworkView&, NetworkEvent)> emit_;
    Lane lane_;
    Mailbox jobs_;
    std::map<std::string, NetworkPtr> networks_;
    std::map<std::string, std::string> ports_; ///< device to the network's name
};

} // namespace domus::network
