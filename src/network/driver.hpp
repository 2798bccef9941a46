// Virtual networks: definitions on disk, bridges with DHCP, DNS and rules of the firewall while they run, and the ports
// of domains on them. A network is started when a domain needs it, and the default one makes itself.
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/task.hpp"
#include "base/text.hpp"
#include "model/network.hpp"
#include "network/dnsmasq.hpp"
#include "network/ports.hpp"
#include "os/definition_store.hpp"
#include "os/netlink/bridge.hpp"
#include "os/nft.hpp"
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
    std::filesystem::path state;   ///< records of running networks: /run/domus/network
    std::filesystem::path library; ///< leases, dnsmasq's files: /var/lib/domus/dnsmasq
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

    Task<NetworkView> define(std::string xml, format::Reading how = format::Reading::lenient);
    /// Throws what define() would throw for it, and changes nothing.
    Task<> check(std::string xml);
    /// Starts a network that is not kept, or one that is defined, this once with this document.
    Task<NetworkView> create(std::string xml, format::Reading how = format::Reading::lenient);
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
    struct Record;
    struct Start;
    using NetworkPtr = std::shared_ptr<Network>;
    enum class Made { nothing, bridge, rules, files }; ///< how far a start came

    NetworkPtr find(const Uuid& uuid, const std::string& name) const;
    NetworkPtr find_name(const std::string& name) const;
    NetworkView view(const Network& network) const;
    Task<> run(NetworkPtr network, std::shared_ptr<const model::Network> wanted);
    Task<> build(Start& start);
    Task<> stop(NetworkPtr network);
    Task<> take_down(NetworkPtr network, std::shared_ptr<const model::Network> live, Made made);
    void watch(NetworkPtr network);
    Task<> keep_dnsmasq(NetworkPtr network);
    Task<> revive_dnsmasq(NetworkPtr network, std::shared_ptr<Process> dead);
    Task<> end_dnsmasq(NetworkPtr network);
    Task<> wait_until_ready(Process& process, std::filesystem::path log);
    Task<> run_dnsmasq(NetworkPtr network, std::shared_ptr<const model::Network> live);
    Task<> apply_rules(std::string script);
    Task<nft::Ruleset> list_rules();
    Task<> open_foreign_chains(std::string bridge);
    Task<> close_foreign_chains(std::string bridge);
    Task<> save(std::shared_ptr<const model::Network> definition);
    Task<> write_record(NetworkPtr network, std::shared_ptr<const model::Network> live, bool kept, bool unfinished);
    Task<std::vector<std::string>> clear_leftovers(NetworkPtr network, std::shared_ptr<const model::Network> live);
    Task<std::shared_ptr<Process>> find_dnsmasq(std::string name);
    Task<> find_leftovers(std::map<std::string, std::string> bridges);
    Task<> restart(NetworkPtr network);
    Task<> erase(NetworkPtr network);
    struct Loaded;
    static Record read_record(const std::string& name, const std::string& text);
    static Loaded read_folders(const Folders& folders, const DefinitionStore& definitions);
    struct Fault;
    static Fault fault_of(const Record& record, const std::map<std::string, std::string>& bridges,
                          const Folders& folders);
    Task<> forget(Record record, Fault fault);
    void require_own_uuid(Record& record) const;
    Task<> define_default();
    DnsmasqFiles files_of(const std::string& name) const;
    std::filesystem::path record_of(const std::string& name) const { return folders_.state / (name + ".xml"); }
    std::filesystem::path pid_file_of(const std::string& name) const { return folders_.state / (name + ".pid"); }
    std::filesystem::path log_of(const std::string& name) const { return folders_.library / (name + ".log"); }
    /// How our bridges are known: of this daemon, of this network.
    static std::string alias_of(const Folders& folders, const std::string& name) {
        return std::string(cut_text(alias_beginning(folders) + name, 255));
    }
    static std::string alias_beginning(const Folders& folders) { return "domus " + folders.state.string() + " "; }
    static netlink::NewBridge bridge_of(const Folders& folders, const model::Network& live);
    /// Checks what a user wrote and fills what he left open.
    Task<std::shared_ptr<model::Network>> read(std::string xml, format::Reading how);
    Task<> admit(std::shared_ptr<model::Network> wanted);
    void require_new_identity(model::Network& wanted) const;
    void require_free_bridge(const model::Network& wanted) const;
    std::string free_bridge_name(const model::Network& wanted, const std::vector<std::string>& links) const;

    Executor executor_;
    Folders folders_;
    DefinitionStore definitions_;
    std::function<void(const NetworkView&, NetworkEvent)> emit_;
    Lane lane_;
    Mailbox jobs_;
    std::map<std::string, NetworkPtr> networks_;
    std::map<std::string, std::string> ports_; ///< device to the network's name
};

} // namespace domus::network
