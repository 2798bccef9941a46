// The daemon's start: what is defined, what runs already, and what a daemon that was killed has left.
#include "base/log.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/networks.hpp"
#include "os/files.hpp"
#include "os/netlink/link.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::network {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view default_network =
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/></network>";

model::Network read_definition(const std::string& name, const std::string& text) {
    auto network = format::from_xml<model::Network>(text, ErrorDomain::network);
    if (network.name != name)
        throw Error(ErrorCode::xml_error, ErrorDomain::network,
                    fmt::format("the file is not named after the network '{}' in it", network.name));
    if (!network.uuid) network.uuid = Uuid::random();
    return network;
}

} // namespace

/// Why a network cannot be taken over as its record says; empty: it can.
struct Networks::Fault {
    std::string why;
    bool of_another = false; ///< what the record names is not this network's, so that nothing of it goes
};

/// What the folders say at the daemon's start.
struct Networks::Loaded {
    LoadedDefinitions<model::Network> kept;
    std::vector<std::pair<Record, Fault>> records;
    std::map<std::string, std::string> bridges; ///< of this daemon, with their aliases
    bool had_default = false;
};

Networks::Loaded Networks::read_folders(const Site& site) {
    const auto& folders = site.folders;
    Loaded loaded;
    site.definitions.prepare();
    ensure_directory_durably(folders.library, 0755);
    ensure_directory(folders.state, 0755);
    remove_leftovers(folders.library);
    loaded.kept = site.definitions.load(read_definition, [](const model::Network& network) { return *network.uuid; });
    log_complaints(loaded.kept.complaints);
    StoredFolder records(folders.state, largest_record);
    loaded.bridges = bridges_with_alias(site.alias_beginning());
    for (auto& [name, record] : records.load(read_record)) {
        auto fault = fault_of(record, loaded.bridges, site);
        loaded.records.emplace_back(std::move(record), std::move(fault));
    }
    log_complaints(records.complaints());
    std::error_code failure;
    loaded.had_default = fs::exists(folders.library / "default-was-made", failure);
    return loaded;
}

Task<> Networks::load() {
    auto work = [site = site_] { return read_folders(*site); };
    auto loaded = co_await lane_.run(Deadline::never(), std::move(work));
    for (auto& [name, model, autostart] : loaded.kept.definitions) {
        const auto network = known_or_new(model);
        network->autostart = autostart;
        network->definition = std::make_shared<const model::Network>(std::move(model));
    }
    for (auto& [record, fault] : loaded.records) {
        if (fault.why.empty()) {
            co_await take_over(std::move(record));
            continue;
        }
        if (record.network.has_own_bridge() && !fault.of_another)
            loaded.bridges.erase(record.network.bridge.name.value_or("")); // it goes now
        co_await forget(std::move(record), std::move(fault));
    }
    co_await find_leftovers(std::move(loaded.bridges));
    if (!loaded.had_default) co_await define_default();
}

Task<> Networks::take_over(Record record) {
    if (const auto known = lookup(record.network.name))
        record.network.uuid = known->uuid; // what differs is damage
    else
        require_own_uuid(record);
    const auto network = known_or_new(record.network);
    co_await network->take_over(std::move(record.network), record.pid, record.start_time);
}

/// Bridges of ours that no record explains. The defined network is started again, for the guests that may run on it; of
/// any other, all goes.
Task<> Networks::find_leftovers(std::map<std::string, std::string> bridges) {
    for (const auto& [bridge, alias] : bridges) {
        const auto has_alias = [&](const auto& network) {
            return site_->alias_of(network.first) == alias;
        }; // which may be cut
        const auto known = std::ranges::find_if(networks_, has_alias);
        const auto name = known != networks_.end() ? known->first : alias.substr(site_->alias_beginning().size());
        if (known != networks_.end() && known->second->live()) continue;
        log::warning("network '{}': its bridge '{}' was found without a record", name, bridge);
        if (known != networks_.end() && known->second->definition->bridge.name == bridge) {
            co_await restart(known->second);
            continue;
        }
        model::Network left;
        left.name = name;
        left.bridge.name = bridge;
        const auto network = std::make_shared<Network>(site_, name, Uuid());
        co_await network->clear(std::move(left), true);
    }
}

Task<> Networks::restart(NetworkPtr network) {
    std::string failure;
    try {
        co_await run(network, network->definition);
    } catch (const std::exception& error) {
        failure = error.what();
    }
    if (!failure.empty()) log::error("{}", failure);
}

/// `bridges`: those of this daemon, with their aliases.
Networks::Fault Networks::fault_of(const Record& record, const std::map<std::string, std::string>& bridges,
                                   const Site& site) {
    const auto wish = bridge_of(record.network, site.alias_of(record.network.name));
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
void Networks::require_own_uuid(Record& record) const {
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
Task<> Networks::forget(Record record, Fault fault) {
    log::warning("network '{}': {}", record.network.name, fault.why);
    const auto network = std::make_shared<Network>(site_, record.network.name, Uuid());
    co_await network->clear(std::move(record.network), !fault.of_another);
}

Task<> Networks::define_default() {
    if (!networks_.contains("default")) {
        const auto made = co_await define(std::string(default_network));
        co_await set_autostart(made.uuid, made.name, true);
    }
    auto work = [path = site_->folders.library / "default-was-made"] { write_file_durably(path, "", 0644); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Networks::autostart() {
    std::vector<NetworkPtr> chosen;
    for (const auto& [name, network] : networks_)
        if (network->autostart && !network->live()) chosen.push_back(network);
    for (const auto& network : chosen) {
        std::string failure;
        try {
            co_await start(network->uuid, network->name());
        } catch (const std::exception& error) {
            failure = error.what();
        }
        if (!failure.empty()) log::error("cannot autostart network '{}': {}", network->name(), failure);
    }
}

} // namespace domus::network
