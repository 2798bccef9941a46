#include "network/networks.hpp"

#include "base/log.hpp"
#include "network/admission.hpp"
#include "network/errors.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/tap.hpp"
#include "os/files.hpp"
#include "os/netlink/link.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::network {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_leases = 16u << 20;

Error no_network(const std::string& by, const std::string& what) {
    return Error(ErrorCode::no_network, ErrorDomain::network,
                 fmt::format("Network not found: no network with matching {} '{}'", by, what))
        .hint("see 'domus net-list --all'");
}

/// Bridges and subnets of its own, each once: what another network uses now cannot be used again.
void require_apart(const model::Network& wanted, const model::Network& other) {
    if (!wanted.has_own_bridge() || !other.has_own_bridge()) return;
    for (const auto& mine : subnets_of(wanted))
        for (const auto& used : subnets_of(other))
            if (mine.overlaps(used))
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: Network is already in use by interface {}",
                                        other.bridge.name.value_or("")))
                    .because(fmt::format("{} overlaps {} of network '{}'", mine.text(), used.text(), other.name))
                    .hint("choose another subnet with 'domus net-edit'");
}

} // namespace

Networks::Networks(Executor executor, Folders folders, filter::Filters& filters,
                   std::function<void(const NetworkView&, NetworkEvent)> emit)
    : site_(std::make_shared<const Site>(
          Site{executor, folders, DefinitionStore({folders.definitions, folders.autostart, 0755}), std::move(emit)})),
      filters_(filters), lane_(executor, "virtual networks"),
      naming_(executor, "the networks", "try again when that has ended") {}

NetworkView Networks::view(const Network& network) const {
    auto view = network.view();
    if (!view.live) return view;
    const auto connections =
        std::ranges::count_if(ports_, [&](const auto& port) { return port.second.network == network.name(); });
    if (connections == 0) return view;
    auto live = std::make_shared<model::Network>(*view.live);
    live->connections = static_cast<unsigned>(connections);
    view.live = std::move(live);
    return view;
}

std::vector<NetworkView> Networks::list() const {
    std::vector<NetworkView> all;
    for (const auto& [name, network] : networks_)
        if (network->exists()) all.push_back(view(*network));
    return all;
}

NetworkPtr Networks::find_name(const std::string& name) const {
    auto found = lookup(name);
    if (!found || !found->exists()) throw no_network("name", name);
    return found;
}

NetworkPtr Networks::find(const Uuid& uuid, const std::string& name) const {
    for (const auto& [key, network] : networks_)
        if (network->uuid == uuid && network->exists()) return network;
    throw no_network("uuid", name.empty() ? uuid.text() : fmt::format("{}' ('{}", uuid.text(), name));
}

void Networks::require_known(const NetworkPtr& network) const {
    if (lookup(network->name()) != network || !network->exists()) throw no_network("name", network->name());
}

NetworkView Networks::get(const Uuid& uuid, const std::string& name) const { return view(*find(uuid, name)); }
NetworkView Networks::get_name(const std::string& name) const { return view(*find_name(name)); }

std::string Networks::xml(const NetworkView& view, bool inactive) const {
    if (!inactive || !view.definition) return format::to_xml(view.current());
    return format::to_xml(*view.definition, {.live = false});
}

// ---- definitions ----------------------------------------------------------------------------------------------

Task<> Networks::save(Network::Definition definition) {
    const auto known = lookup(definition->name);
    const bool fresh = !known || !known->definition;
    auto work = [store = site_->definitions, definition, fresh] {
        store.save(definition->name, format::to_xml(*definition, {.live = false}), fresh);
    };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

NetworkPtr Networks::lookup(const std::string& name) const {
    const auto found = networks_.find(name);
    return found == networks_.end() ? nullptr : found->second;
}

/// The one of that name, or one that nobody sees yet.
NetworkPtr Networks::known_or_new(const model::Network& wanted) {
    auto& network = networks_[wanted.name];
    if (!network) network = std::make_shared<Network>(site_, wanted.name, *wanted.uuid);
    return network;
}

/// The network of that name, if there is one, in its turn, and all names.
Task<Networks::Held> Networks::hold(std::string name, std::string job) {
    for (;;) {
        Held held;
        held.network = lookup(name);
        if (held.network) {
            auto turn = co_await held.network->enter(job);
            held.turn.emplace(std::move(turn));
        }
        auto names = co_await naming_.enter(job, Deadline::in(timeout));
        held.names.emplace(std::move(names));
        if (lookup(name) == held.network) co_return held;
    }
}

Task<NetworkView> Networks::define(std::string xml, format::Reading how) {
    const auto wanted = co_await read(std::move(xml), how);
    const auto held = co_await hold(wanted->name, "define");
    co_await admit(wanted);
    co_await save(wanted);
    const auto network = known_or_new(*wanted);
    network->definition = wanted;
    const auto defined = view(*network);
    site_->emit(defined, NetworkEvent::defined);
    co_return defined;
}

Task<> Networks::check(std::string xml) {
    const auto wanted = co_await read(std::move(xml), format::Reading::lenient);
    const auto names = co_await naming_.enter("check", Deadline::in(timeout));
    co_await admit(wanted);
}

Task<NetworkView> Networks::create(std::string xml, format::Reading how) {
    const auto wanted = co_await read(std::move(xml), how);
    NetworkPtr network;
    {
        const auto names = co_await naming_.enter("create", Deadline::in(timeout));
        co_await admit(wanted);
        network = known_or_new(*wanted);
    }
    // One that is defined and stopped runs as this document says until it is stopped; its definition stays.
    std::exception_ptr failure;
    try {
        const auto turn = co_await network->enter("create");
        if (network->live()) throw invalid_operation(fmt::format("network '{}' is already active", wanted->name));
        if (lookup(wanted->name) != network) throw no_network("name", wanted->name); // undefined meanwhile
        co_await run(network, wanted);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return view(*network);
    if (const auto known = lookup(wanted->name); known && !known->exists()) networks_.erase(wanted->name);
    std::rethrow_exception(failure);
}

Task<> Networks::undefine(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    const auto turn = co_await network->enter("undefine");
    require_known(network);
    const auto names = co_await naming_.enter("undefine", Deadline::in(timeout));
    if (!network->definition) throw invalid_operation("can't undefine transient network");
    auto work = [store = site_->definitions, kept = network->name()] { store.remove(kept); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    const auto last = view(*network);
    network->definition.reset();
    network->autostart = false;
    if (!network->live()) co_await erase(network);
    site_->emit(last, NetworkEvent::undefined);
}

/// Nobody gets his address again from a network that is gone.
Task<> Networks::erase(NetworkPtr network) {
    networks_.erase(network->name());
    auto work = [leases = site_->files_of(network->name()).leases] { remove_if_possible(leases); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Networks::set_autostart(Uuid uuid, std::string name, bool on) {
    const auto network = find(uuid, name);
    const auto turn = co_await network->enter("autostart");
    require_known(network);
    if (!network->definition) throw invalid_operation("cannot set autostart for transient network");
    auto work = [store = site_->definitions, kept = network->name(), on] { store.set_autostart(kept, on); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    network->autostart = on;
}

Task<> Networks::update(Uuid uuid, std::string name, Update update, bool live, bool config) {
    const auto network = find(uuid, name);
    const auto turn = co_await network->enter("update");
    require_known(network);
    if (!live && !config) (network->live() ? live : config) = true;
    if (live && !network->live()) throw invalid_operation("network is not running");
    if (config && !network->definition)
        throw invalid_operation("cannot change persistent config of a transient network");
    auto work = [update = std::move(update),
                 of = std::array{live ? network->live() : nullptr, config ? network->definition : nullptr}] {
        std::array<Network::Definition, 2> changed;
        for (std::size_t i = 0; i < of.size(); ++i) {
            if (!of[i]) continue;
            auto after = std::make_shared<model::Network>(updated(*of[i], update));
            require_usable(*after);
            changed[i] = std::move(after);
        }
        return changed;
    };
    const auto changed = co_await lane_.run(Deadline::in(timeout), std::move(work));
    const auto before = network->live();
    if (changed[0]) co_await network->change(changed[0]);
    if (!changed[1]) co_return;
    std::exception_ptr failure;
    try {
        co_await save(changed[1]);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure && changed[0]) co_await network->change(before);
    if (failure) std::rethrow_exception(failure);
    network->definition = changed[1];
}

// ---- running --------------------------------------------------------------------------------------------------

Task<> Networks::run(NetworkPtr network, Network::Definition wanted) {
    auto admitted = std::make_shared<model::Network>(*wanted); // which may have been written by hand
    std::exception_ptr failure;
    try {
        const auto names = co_await naming_.enter("start", Deadline::in(timeout));
        co_await admit(admitted);
        for (const auto& [name, other] : networks_)
            if (other != network && other->claim()) require_apart(*admitted, *other->claim());
        network->set_claim(admitted);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        try {
            std::rethrow_exception(failure);
        } catch (Error& error) {
            error.prefix(fmt::format("cannot start network '{}': checking its definition", network->name()));
            throw;
        }
    }
    co_await network->start(admitted);
    site_->emit(view(*network), NetworkEvent::started);
}

Task<> Networks::start(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    const auto turn = co_await network->enter("start");
    require_known(network);
    if (network->live()) throw invalid_operation("network is already active");
    co_await run(network, network->definition);
}

Task<> Networks::destroy(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    const auto turn = co_await network->enter("destroy");
    require_known(network);
    if (!network->live()) throw invalid_operation(fmt::format("network '{}' is not active", network->name()));
    co_await network->stop();
    std::erase_if(ports_, [&](const auto& port) { return port.second.network == network->name(); });
    const auto last = view(*network);
    if (!network->definition) co_await erase(network);
    site_->emit(last, NetworkEvent::stopped);
}

Task<std::vector<Lease>> Networks::leases(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    auto work = [path = site_->files_of(network->name()).leases]() -> std::string {
        std::error_code failure;
        if (!fs::exists(path, failure) && !failure) return {};
        return read_file(path, largest_leases);
    };
    const auto text = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return parse_leases(text);
}

// ---- ports ----------------------------------------------------------------------------------------------------

namespace {

model::FilterBinding binding_of(std::string device, const model::Interface& interface, PortOwner owner) {
    model::FilterBinding binding;
    binding.owner_name = std::move(owner.name);
    binding.owner_uuid = owner.uuid;
    binding.port_dev = std::move(device);
    binding.mac = interface.mac.value_or("");
    binding.filter = *interface.filter;
    return binding;
}

} // namespace

/// A port with a filter is down until that is in force.
Task<> Networks::filter(std::string device, model::Interface interface, PortOwner owner) {
    co_await filters_.unbind(device); // of a device of that name, whose end nobody saw
    co_await filters_.bind(binding_of(device, interface, std::move(owner)));
    auto work = [device] { netlink::set_up(device); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

template <class OnNetwork, class OnBridge>
Task<Networks::Place> Networks::give_place(model::Interface interface, std::string domain, OnNetwork on_network,
                                           OnBridge on_bridge) {
    Place place;
    if (interface.type == model::InterfaceType::network) {
        place.used.network = interface.source.network.value_or("default");
        const auto network = find_name(place.used.network);
        const auto turn = co_await network->enter("start for " + domain);
        require_known(network);
        if (!network->live()) co_await run(network, network->definition);
        auto settings = port_settings(interface, network->live().get());
        place.used.limited = is_limited(settings.bandwidth);
        auto task = on_network(*network, std::move(settings));
        place.port = co_await std::move(task);
    } else {
        const auto settings = port_settings(interface, nullptr);
        place.used.limited = is_limited(settings.bandwidth);
        const auto bridge = interface.type == model::InterfaceType::bridge ? interface.source.bridge.value_or("") : "";
        auto work = [on_bridge, settings, bridge] { return on_bridge(settings, bridge); };
        place.port = co_await lane_.run(Deadline::in(timeout), std::move(work));
    }
    co_return place;
}

void Networks::note_use(const std::string& device, const UsedPort& used) {
    if (!used.network.empty() || used.limited)
        ports_[device] = used;
    else
        ports_.erase(device);
}

Task<Port> Networks::attach(model::Interface interface, PortOwner owner) {
    require_device_name(interface.target_dev);
    auto task = give_place(
        interface, owner.name,
        [](Network& network, PortSettings settings) { return network.attach(std::move(settings)); }, open_tap_port);
    auto place = co_await std::move(task);
    if (interface.filter) co_await filter(place.port.device, interface, std::move(owner));
    note_use(place.port.device, place.used);
    co_return std::move(place.port);
}

Task<Port> Networks::change(model::Interface before, model::Interface after, PortOwner owner) {
    after.target_dev = before.target_dev;
    const auto known = ports_.find(before.target_dev.value_or(""));
    const bool was_limited = known != ports_.end() && known->second.limited;
    auto task = give_place(
        std::move(after), std::move(owner.name),
        [was_limited](Network& network, PortSettings settings) {
            return network.change_port(std::move(settings), was_limited);
        },
        [was_limited](const PortSettings& settings, const std::string& bridge) {
            return change_tap_port(settings, bridge, was_limited);
        });
    auto place = co_await std::move(task);
    note_use(place.port.device, place.used);
    co_return std::move(place.port);
}

Task<> Networks::change_filter(model::Interface interface, PortOwner owner) {
    const auto device = interface.target_dev.value_or("");
    if (interface.filter)
        co_await filters_.rebind(binding_of(device, interface, std::move(owner)));
    else
        co_await filters_.unbind(device);
}

Task<> Networks::detach(std::string device) {
    co_await filters_.unbind(device);
    const auto known = ports_.find(device);
    if (known == ports_.end()) co_return;
    const auto used = known->second;
    ports_.erase(known);
    if (!used.limited) co_return;
    auto work = [device] { forget_bandwidth(device); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

void Networks::adopt(const model::Interface& interface) {
    if (!interface.target_dev) return;
    UsedPort used;
    if (interface.type == model::InterfaceType::network) used.network = interface.source.network.value_or("default");
    used.limited = true; // its port group may have gone meanwhile, and what is not there is not missed
    if (!used.network.empty() || used.limited) ports_[*interface.target_dev] = used;
}

} // namespace domus::network
