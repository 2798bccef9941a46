#include "network/driver.hpp"

#include "async/read_document.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/running.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/tap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::network {

namespace fs = std::filesystem;
namespace {

constexpr std::string_view default_network =
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/></network>";

Error no_network(const std::string& by, const std::string& what) {
    return Error(ErrorCode::no_network, ErrorDomain::network,
                 fmt::format("Network not found: no network with matching {} '{}'", by, what))
        .hint("see 'domus net-list --all'");
}

Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::network,
                 fmt::format("Requested operation is not valid: {}", what));
}

netlink::Tap tap_of_guest(const std::string& wanted, unsigned queues, bool prepared) try {
    return netlink::open_tap(wanted, queues, prepared ? netlink::Existing::joined : netlink::Existing::refused);
} catch (Error& error) {
    if (error.number() != EBUSY) throw;
    throw std::move(error).hint(
        "a network device of this name exists: choose another name in <target dev=.../>, or leave <target> out");
}

model::Network read_definition(const std::string& name, const std::string& text) {
    auto network = format::from_xml<model::Network>(text, ErrorDomain::network);
    if (network.name != name)
        throw Error(ErrorCode::xml_error, ErrorDomain::network,
                    fmt::format("the file is not named after the network '{}' in it", network.name));
    if (!network.uuid) network.uuid = Uuid::random();
    return network;
}

} // namespace

Driver::Driver(Executor executor, Folders folders, std::function<void(const NetworkView&, NetworkEvent)> emit)
    : executor_(executor), folders_(std::move(folders)), definitions_({folders_.definitions, folders_.autostart, 0755}),
      emit_(std::move(emit)), lane_(executor, "virtual networks"), jobs_(executor, "the networks") {}

Driver::~Driver() = default;

NetworkView Driver::view(const Network& network) const {
    NetworkView view{
        network.name, network.uuid,      network.live != nullptr, network.autostart, network.definition != nullptr,
        network.live, network.definition};
    if (!view.live) return view;
    auto live = std::make_shared<model::Network>(*view.live);
    unsigned connections = 0;
    for (const auto& [device, name] : ports_) connections += name == network.name ? 1 : 0;
    if (connections > 0) live->connections = connections;
    view.live = std::move(live);
    return view;
}

std::vector<NetworkView> Driver::list() const {
    std::vector<NetworkView> all;
    for (const auto& [name, network] : networks_) all.push_back(view(*network));
    return all;
}

Driver::NetworkPtr Driver::find_name(const std::string& name) const {
    const auto found = networks_.find(name);
    if (found == networks_.end()) throw no_network("name", name);
    return found->second;
}

Driver::NetworkPtr Driver::find(const Uuid& uuid, const std::string& name) const {
    for (const auto& [key, network] : networks_)
        if (network->uuid == uuid) return network;
    throw no_network("uuid", name.empty() ? uuid.text() : fmt::format("{}' ('{}", uuid.text(), name));
}

NetworkView Driver::get(const Uuid& uuid, const std::string& name) const { return view(*find(uuid, name)); }
NetworkView Driver::get_name(const std::string& name) const { return view(*find_name(name)); }

DnsmasqFiles Driver::files_of(const std::string& name) const {
    return {folders_.library / (name + ".conf"), folders_.library / (name + ".hostsfile"),
            folders_.library / (name + ".addnhosts"), folders_.library / (name + ".leases")};
}

std::string Driver::xml(const NetworkView& view, bool inactive) const {
    if (!inactive || !view.definition) return format::to_xml(view.current());
    return format::to_xml(*view.definition, {.live = false});
}

// ---- definitions ----------------------------------------------------------------------------------------------

void Driver::require_new_identity(model::Network& wanted) const {
    if (!wanted.uuid) {
        const auto same = networks_.find(wanted.name);
        wanted.uuid = same == networks_.end() ? Uuid::random() : same->second->uuid;
    }
    for (const auto& [name, network] : networks_) {
        if (network->uuid == *wanted.uuid && name != wanted.name)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                        fmt::format("operation failed: network '{}' is already defined with uuid {}", name,
                                    wanted.uuid->text()));
        if (name == wanted.name && network->uuid != *wanted.uuid)
            throw Error(
                ErrorCode::operation_failed, ErrorDomain::network,
                fmt::format("operation failed: network '{}' already exists with uuid {}", name, network->uuid.text()));
    }
}

void Driver::require_free_bridge(const model::Network& wanted) const {
    for (const auto& [name, network] : networks_) {
        if (name == wanted.name) continue;
        for (const auto* other : {network->definition.get(), network->live.get()})
            if (other && other->bridge.name && other->bridge.name == wanted.bridge.name)
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: bridge name '{}' already in use.", *wanted.bridge.name))
                    .because(fmt::format("network '{}' has it", name))
                    .hint("choose another <bridge name=.../>, or leave it out");
    }
}

/// The one that it had, or the first virbrN that neither a network nor the host has.
std::string Driver::free_bridge_name(const model::Network& wanted, const std::vector<std::string>& links) const {
    std::set<std::string> taken(links.begin(), links.end());
    for (const auto& [name, network] : networks_)
        for (const auto* other : {network->definition.get(), network->live.get()}) {
            if (!other || !other->bridge.name) continue;
            if (name == wanted.name && other->has_own_bridge()) return *other->bridge.name;
            taken.insert(*other->bridge.name);
        }
    for (unsigned i = 0;; ++i)
        if (auto candidate = fmt::format("virbr{}", i); !taken.contains(candidate)) return candidate;
}

Task<std::shared_ptr<model::Network>> Driver::read(std::string xml, format::Reading how) {
    const auto size = xml.size();
    auto work = [xml = std::move(xml), how] {
        auto wanted =
            std::make_shared<model::Network>(format::from_xml<model::Network>(xml, ErrorDomain::network, how));
        format::Findings findings;
        model::check(*wanted, findings);
        model::find_unsupported(*wanted, findings);
        format::throw_findings(findings, ErrorDomain::network, "<network>");
        require_harmless(*wanted);
        wanted->connections.reset(); // it may be the XML of a network that runs
        return wanted;
    };
    auto wanted = co_await read_document(lane_, size, Deadline::in(timeout), std::move(work));
    co_return wanted;
}

Task<> Driver::admit(std::shared_ptr<model::Network> wanted) {
    require_new_identity(*wanted);
    if (!wanted->has_own_bridge()) co_return;
    if (!wanted->bridge.stp) wanted->bridge.stp = model::OnOff::on;
    if (!wanted->bridge.delay) wanted->bridge.delay = 0;
    if (!wanted->mac) wanted->mac = random_mac();
    if (wanted->forward && !wanted->forward->mode) wanted->forward->mode = model::ForwardMode::nat;
    if (!wanted->bridge.name) {
        const auto links = co_await lane_.run(Deadline::in(timeout), link_names);
        wanted->bridge.name = free_bridge_name(*wanted, links);
    }
    require_free_bridge(*wanted);
    (void)subnets_of(*wanted);
}

Task<> Driver::save(std::shared_ptr<const model::Network> definition) {
    const auto known = networks_.find(definition->name);
    const bool fresh = known == networks_.end() || !known->second->definition;
    auto work = [store = definitions_, definition, fresh] {
        store.save(definition->name, format::to_xml(*definition, {.live = false}), fresh);
    };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<NetworkView> Driver::define(std::string xml, format::Reading how) {
    const auto turn = co_await jobs_.enter("define", Deadline::in(timeout));
    const auto wanted = co_await read(std::move(xml), how);
    co_await admit(wanted);
    co_await save(wanted);
    auto& network = networks_[wanted->name];
    if (!network) network = std::make_shared<Network>();
    network->name = wanted->name;
    network->uuid = *wanted->uuid;
    network->definition = wanted;
    const auto defined = view(*network);
    emit_(defined, NetworkEvent::defined);
    co_return defined;
}

Task<> Driver::check(std::string xml) {
    const auto turn = co_await jobs_.enter("check", Deadline::in(timeout));
    const auto wanted = co_await read(std::move(xml), format::Reading::lenient);
    co_await admit(wanted);
}

Task<NetworkView> Driver::create(std::string xml, format::Reading how) {
    const auto turn = co_await jobs_.enter("create", Deadline::in(timeout));
    const auto wanted = co_await read(std::move(xml), how);
    co_await admit(wanted);
    const auto found = networks_.find(wanted->name);
    if (found != networks_.end() && found->second->live)
        throw invalid(fmt::format("network '{}' is already active", wanted->name));
    // One that is defined and stopped runs as this document says until it is stopped; its definition stays.
    const auto network = found != networks_.end() ? found->second : std::make_shared<Network>();
    network->name = wanted->name;
    network->uuid = *wanted->uuid;
    co_await run(network, wanted);
    networks_.emplace(network->name, network);
    co_return view(*network);
}

Task<> Driver::undefine(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("undefine", Deadline::in(timeout));
    const auto network = find(uuid, name);
    if (!network->definition) throw invalid("can't undefine transient network");
    auto work = [store = definitions_, kept = network->name] { store.remove(kept); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    const auto last = view(*network);
    network->definition.reset();
    network->autostart = false;
    if (!network->live) co_await erase(network);
    emit_(last, NetworkEvent::undefined);
}

/// Nobody gets his address again from a network that is gone.
Task<> Driver::erase(NetworkPtr network) {
    networks_.erase(network->name);
    auto work = [leases = files_of(network->name).leases] { remove_if_possible(leases); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Driver::set_autostart(Uuid uuid, std::string name, bool on) {
    const auto turn = co_await jobs_.enter("autostart", Deadline::in(timeout));
    const auto network = find(uuid, name);
    if (!network->definition) throw invalid("cannot set autostart for transient network");
    auto work = [store = definitions_, kept = network->name, on] { store.set_autostart(kept, on); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    network->autostart = on;
}

// ---- running --------------------------------------------------------------------------------------------------

Task<> Driver::start(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("start", Deadline::in(timeout));
    const auto network = find(uuid, name);
    if (network->live) throw invalid("network is already active");
    co_await run(network, network->definition);
}

Task<> Driver::destroy(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("destroy", Deadline::in(timeout));
    const auto network = find(uuid, name);
    if (!network->live) throw invalid(fmt::format("network '{}' is not active", network->name));
    co_await stop(network);
    const auto last = view(*network);
    if (!network->definition) co_await erase(network);
    emit_(last, NetworkEvent::stopped);
}

Task<std::vector<Lease>> Driver::leases(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    auto work = [path = files_of(network->name).leases]() -> std::string {
        std::error_code failure;
        if (!fs::exists(path, failure) && !failure) return {};
        return read_file(path, largest_leases);
    };
    const auto text = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return parse_leases(text);
}

// ---- the daemon's start ---------------------------------------------------------------------------------------

/// Throws for a record from which nothing could be taken over.
Driver::Record Driver::read_record(const std::string& name, const std::string& text) {
    const auto broken = [](std::string why) {
        return Error(ErrorCode::xml_error, ErrorDomain::network, std::move(why));
    };
    auto record = format::from_xml<Record>(text, ErrorDomain::network);
    const auto& network = record.network;
    if (network.name != name) throw broken(fmt::format("it is the record of network '{}'", network.name));
    if (!network.uuid) throw broken("there is no <uuid> in it");
    if (network.has_own_bridge() && network.bridge.name.value_or("").empty()) throw broken("it names no bridge");
    require_device_name(network.bridge.name);
    (void)subnets_of(network);
    return record;
}

Driver::Loaded Driver::read_folders(const Folders& folders, const DefinitionStore& definitions) {
    Loaded loaded;
    definitions.prepare();
    ensure_directory_durably(folders.library, 0755);
    ensure_directory(folders.state, 0755);
    remove_leftovers(folders.library);
    loaded.kept = definitions.load(read_definition, [](const model::Network& network) { return *network.uuid; });
    log_complaints(loaded.kept.complaints);
    StoredFolder records(folders.state, largest_record);
    loaded.bridges = bridges_with_alias(alias_beginning(folders));
    for (auto& [name, record] : records.load(read_record)) {
        auto fault = fault_of(record, loaded.bridges, folders);
        loaded.records.emplace_back(std::move(record), std::move(fault));
    }
    log_complaints(records.complaints());
    std::error_code failure;
    loaded.had_default = fs::exists(folders.library / "default-was-made", failure);
    return loaded;
}

Task<> Driver::load() {
    auto work = [folders = folders_, store = definitions_] { return read_folders(folders, store); };
    auto loaded = co_await lane_.run(Deadline::never(), std::move(work));
    for (auto& [name, model, autostart] : loaded.kept.definitions) {
        auto network = std::make_shared<Network>();
        network->name = name;
        network->uuid = *model.uuid;
        network->autostart = autostart;
        network->definition = std::make_shared<const model::Network>(std::move(model));
        networks_.emplace(name, network);
    }
    for (auto& [record, fault] : loaded.records) {
        if (!fault.why.empty()) {
            if (record.network.has_own_bridge() && !fault.of_another)
                loaded.bridges.erase(record.network.bridge.name.value_or("")); // it goes now
            co_await forget(std::move(record), std::move(fault));
            continue;
        }
        auto& network = networks_[record.network.name];
        if (!network) network = std::make_shared<Network>();
        network->name = record.network.name;
        if (network->definition)
            record.network.uuid = network->uuid; // what differs is damage
        else
            require_own_uuid(record);
        network->uuid = *record.network.uuid;
        if (auto process = Process::adopt(record.pid, record.start_time)) {
            network->dnsmasq = std::make_shared<Process>(std::move(*process));
            network->dnsmasq->release();
        } else {
            network->dnsmasq =
                co_await find_dnsmasq(network->name); // run again meanwhile, and the record could not be written
            if (!network->dnsmasq && record.pid != 0)
                log::warning("network '{}': its dnsmasq has ended while the daemon was away", network->name);
        }
        network->live = std::make_shared<const model::Network>(std::move(record.network));
        watch(network);
    }
    co_await find_leftovers(std::move(loaded.bridges));
    if (!loaded.had_default) co_await define_default();
}

/// Bridges of ours that no record explains. The defined network is started again, for the guests that may run on it; of
/// any other, all goes.
Task<> Driver::find_leftovers(std::map<std::string, std::string> bridges) {
    for (const auto& [bridge, alias] : bridges) {
        const auto has_alias = [&](const auto& network) {
            return alias_of(folders_, network.first) == alias;
        }; // which may be cut
        const auto known = std::ranges::find_if(networks_, has_alias);
        const auto name = known != networks_.end() ? known->first : alias.substr(alias_beginning(folders_).size());
        if (known != networks_.end() && known->second->live) continue;
        log::warning("network '{}': its bridge '{}' was found without a record", name, bridge);
        if (known != networks_.end() && known->second->definition->bridge.name == bridge) {
            co_await restart(known->second);
            continue;
        }
        auto network = std::make_shared<Network>();
        network->name = name;
        auto live = std::make_shared<model::Network>();
        live->name = name;
        live->bridge.name = bridge;
        co_await take_down(network, std::move(live), Made::files);
    }
}

Task<> Driver::restart(NetworkPtr network) {
    std::string failure;
    try {
        co_await run(network, network->definition);
    } catch (const std::exception& error) {
        failure = error.what();
    }
    if (!failure.empty()) log::error("{}", failure);
}

netlink::NewBridge Driver::bridge_of(const Folders& folders, const model::Network& live) {
    return {.name = live.bridge.name.value_or(""),
            .mac = live.mac.value_or(""),
            .mtu = live.mtu,
            .alias = alias_of(folders, live.name)};
}

/// `bridges`: those of this daemon, with their aliases.
Driver::Fault Driver::fault_of(const Record& record, const std::map<std::string, std::string>& bridges,
                               const Folders& folders) {
    const auto wish = bridge_of(folders, record.network);
    const auto has_alias = [&](const auto& bridge) { return bridge.second == wish.alias; };
    if (!record.network.has_own_bridge()) {
        const auto own = std::ranges::find_if(bridges, has_alias);
        if (own != bridges.end()) return {fmt::format("its record does not know of its bridge '{}'", own->first), true};
    } else if (!netlink::find_link(wish.name)) {
        return {fmt::format("its bridge '{}' is gone", wish.name)};
    } else if (const auto known = bridges.find(wish.name);
               known != bridges.end() ? known->second != wish.alias : !is_bridge_of(wish)) {
        return {fmt::format("'{}', which its record names, is not its bridge", wish.name), known != bridges.end()};
    }
    return {record.unfinished ? "its start or stop was cut off" : ""};
}

/// Of a network that is not kept.
void Driver::require_own_uuid(Record& record) const {
    const auto has_it = [&](const auto& other) {
        return other.first != record.network.name && other.second->uuid == record.network.uuid;
    };
    const auto other = std::ranges::find_if(networks_, has_it);
    if (other == networks_.end()) return;
    log::warning("network '{}': its record has the UUID of network '{}'; it gets a new one", record.network.name,
                 other->first);
    record.network.uuid = Uuid::random();
}

/// What is left of a network that does not run goes.
Task<> Driver::forget(Record record, Fault fault) {
    auto network = std::make_shared<Network>();
    network->name = record.network.name;
    if (auto process = Process::adopt(record.pid, record.start_time))
        network->dnsmasq = std::make_shared<Process>(std::move(*process));
    auto live = std::make_shared<const model::Network>(std::move(record.network));
    log::warning("network '{}': {}", network->name, fault.why);
    co_await take_down(network, live, live->has_own_bridge() && !fault.of_another ? Made::files : Made::nothing);
}

Task<> Driver::define_default() {
    if (!networks_.contains("default")) {
        const auto made = co_await define(std::string(default_network));
        co_await set_autostart(made.uuid, made.name, true);
    }
    auto work = [path = folders_.library / "default-was-made"] { write_file_durably(path, "", 0644); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Driver::autostart() {
    std::vector<NetworkPtr> chosen;
    for (const auto& [name, network] : networks_)
        if (network->autostart && !network->live) chosen.push_back(network);
    for (const auto& network : chosen) {
        std::string failure;
        try {
            co_await start(network->uuid, network->name);
        } catch (const std::exception& error) {
            failure = error.what();
        }
        if (!failure.empty()) log::error("cannot autostart network '{}': {}", network->name, failure);
    }
}

// ---- ports ----------------------------------------------------------------------------------------------------

Task<Port> Driver::attach(model::Interface interface, std::string domain) {
    require_device_name(interface.target_dev);
    Port port;
    port.id = Uuid::random();
    std::optional<unsigned> mtu = interface.mtu;
    std::string name;
    if (interface.type == model::InterfaceType::network) {
        name = interface.source.network.value_or("default");
        const auto turn = co_await jobs_.enter("start for " + domain, Deadline::in(timeout));
        const auto network = find_name(name);
        if (!network->live) co_await run(network, network->definition);
        port.bridge = network->live->bridge.name.value_or("");
        if (!mtu) mtu = network->live->mtu;
        if (port.bridge.empty())
            throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                        fmt::format("this version does not attach domains to network '{}' without a bridge", name));
    } else if (interface.type == model::InterfaceType::bridge) {
        port.bridge = interface.source.bridge.value_or("");
    }
    const bool prepared = interface.target_managed == false; // by whoever made the device
    const auto queues = std::max(1u, interface.driver.queues.value_or(1));
    const auto wanted = interface.target_dev.value_or("");
    auto work = [bridge = port.bridge, queues, mtu, wanted, mac = interface.mac, prepared] {
        auto tap = tap_of_guest(wanted, queues, prepared);
        if (prepared) return tap;
        if (mac) netlink::set_mac(tap.name, tap_mac(*mac));
        if (mtu) netlink::set_mtu(tap.name, *mtu);
        if (!bridge.empty()) netlink::set_master(tap.name, bridge);
        netlink::set_up(tap.name);
        return tap;
    };
    auto tap = co_await lane_.run(Deadline::in(timeout), std::move(work));
    port.device = tap.name;
    port.taps = std::move(tap.queues);
    if (!name.empty()) ports_[port.device] = name;
    co_return port;
}

Task<> Driver::detach(std::string device) {
    ports_.erase(device);
    co_return;
}

void Driver::adopt(const model::Interface& interface) {
    if (interface.type == model::InterfaceType::network && interface.target_dev && interface.source.network)
        ports_[*interface.target_dev] = *interface.source.network;
}

} // namespace domus::network
