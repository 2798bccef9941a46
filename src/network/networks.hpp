// Virtual networks: definitions on disk, the networks that run, and the ports of domains. A network is started when a domain
// needs it, and the default one makes itself.
#pragma once

#include "filter/filters.hpp"
#include "format/xml.hpp"
#include "network/network.hpp"
#include "network/ports.hpp"
#include "network/record.hpp"
#include "network/update.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::network {

class Networks : public Ports {
public:
    Networks(Executor executor, Folders folders, filter::Filters& filters,
             std::function<void(const NetworkView&, NetworkEvent)> emit);

    /// Reads definitions, takes over what still runs, and defines the network "default" on a host that never had one.
    Task<> load();
    Task<> autostart();

    std::vector<NetworkView> list() const;
    /// Throw Error no_network in libvirt's words.
    NetworkView get(const Uuid& uuid, const std::string& name) const;
    NetworkView get_name(const std::string& name) const;

    Task<NetworkView> define(std::string xml, format::Reading how = format::Reading::lenient);
    /// Throws what define() would throw for it, and changes nothing.
    Task<> check(std::string xml);
    /// Starts a network that is not kept, or one that is defined, this once with this document.
    Task<NetworkView> create(std::string xml, format::Reading how = format::Reading::lenient);
    Task<> undefine(Uuid uuid, std::string name);
    Task<> start(Uuid uuid, std::string name);
    Task<> destroy(Uuid uuid, std::string name);
    Task<> set_autostart(Uuid uuid, std::string name, bool on);
    /// Of what runs, of the definition, or of both; neither: of what runs, or else of the definition. The links of guests stay.
    Task<> update(Uuid uuid, std::string name, Update update, bool live, bool config);
    std::string xml(const NetworkView& view, bool inactive) const;
    Task<std::vector<Lease>> leases(Uuid uuid, std::string name);

    Task<Port> attach(model::Interface interface, PortOwner owner) override;
    Task<Port> change(model::Interface before, model::Interface after, PortOwner owner) override;
    Task<> change_filter(model::Interface interface, PortOwner owner) override;
    Task<> detach(std::string device) override;
    void adopt(const model::Interface& interface) override;

private:
    struct Loaded;
    struct Fault;
    /// A domain's place that is in use.
    struct UsedPort {
        std::string network; ///< empty: it is on none
        bool limited = false;
    };

    struct Place {
        Port port;
        UsedPort used;
    };
    struct Held {
        NetworkPtr network; ///< null: there is none of that name
        std::optional<Turn> turn, names;
    };

    Task<> filter(std::string device, model::Interface interface, PortOwner owner);
    NetworkPtr lookup(const std::string& name) const;
    Task<Held> hold(std::string name, std::string job);
    NetworkPtr find(const Uuid& uuid, const std::string& name) const;
    NetworkPtr find_name(const std::string& name) const;
    NetworkView view(const Network& network) const;
    /// In the network's turn. Throws Error if another has its bridge or subnet.
    Task<> run(NetworkPtr network, Network::Definition wanted);
    Task<> save(Network::Definition definition);
    Task<> erase(NetworkPtr network);
    /// The place of an interface: on_network(network, settings) in the turn of a network that runs then, or else
    /// on_bridge(settings, bridge) in the lane.
    template <class OnNetwork, class OnBridge>
    Task<Place> give_place(model::Interface interface, std::string domain, OnNetwork on_network, OnBridge on_bridge);
    void note_use(const std::string& device, const UsedPort& used);
    /// Throws no_network if it has gone while somebody waited for its turn.
    void require_known(const NetworkPtr& network) const;
    NetworkPtr known_or_new(const model::Network& wanted);

    // ---- the daemon's start ----
    static Loaded read_folders(const Site& site);
    static Fault fault_of(const Record& record, const std::map<std::string, std::string>& bridges, const Site& site);
    Task<> take_over(Record record);
    Task<> find_leftovers(std::map<std::string, std::string> bridges);
    Task<> restart(NetworkPtr network);
    Task<> forget(Record record, Fault fault);
    void require_own_uuid(Record& record) const;
    Task<> define_default();

    // ---- what may be defined ----
    /// Checks what a user wrote and fills what he left open.
    Task<std::shared_ptr<model::Network>> read(std::string xml, format::Reading how);
    Task<> admit(std::shared_ptr<model::Network> wanted);
    void require_new_identity(model::Network& wanted) const;
    void require_free_bridge(const model::Network& wanted) const;
    std::string free_bridge_name(const model::Network& wanted, const std::vector<std::string>& links) const;

    std::shared_ptr<const Site> site_;
    filter::Filters& filters_;
    Lane lane_;      ///< for definitions, and ports that are on no network
    Mailbox naming_; ///< who gives or takes names, UUIDs and bridges; taken after a network's turn, never before
    std::map<std::string, NetworkPtr> networks_;
    std::map<std::string, UsedPort> ports_; ///< by device
};

} // namespace domus::network
