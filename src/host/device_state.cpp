#include "host/device_state.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/cipher.hpp"
#include "os/netlink/bridge.hpp"
#include "os/netlink/carry.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/stacked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace domus::host {

using format::Describe;
using format::Schema;

const Schema& KeptAddress::schema() {
    static const Schema table = Describe<KeptAddress>("address", "An address that a device carries.")
                                    .field("@from", &KeptAddress::from, "device that carried it")
                                    .field("@message", &KeptAddress::message, "RTM_NEWADDR, in base64");
    return table;
}

const Schema& KeptRoute::schema() {
    static const Schema table = Describe<KeptRoute>("route", "A route over a device.")
                                    .field("@message", &KeptRoute::message, "RTM_NEWROUTE, in base64");
    return table;
}

const Schema& KeptBond::schema() {
    static const Schema table = Describe<KeptBond>("bond", "Settings of a bond, by the kernel's numbers.")
                                    .field("@mode", &KeptBond::mode)
                                    .field("@miimon", &KeptBond::miimon)
                                    .field("@updelay", &KeptBond::updelay)
                                    .field("@downdelay", &KeptBond::downdelay)
                                    .field("@carrier", &KeptBond::use_carrier)
                                    .field("@interval", &KeptBond::arp_interval)
                                    .field("@validate", &KeptBond::arp_validate)
                                    .field("@target", &KeptBond::arp_target);
    return table;
}

const Schema& DeviceState::schema() {
    static const Schema table = Describe<DeviceState>("device", "A network device as it was.")
                                    .field("@name", &DeviceState::name, "", format::required)
                                    .field("@present", &DeviceState::present)
                                    .field("@up", &DeviceState::up)
                                    .field("@kind", &DeviceState::kind)
                                    .field("@mac", &DeviceState::mac)
                                    .field("@mtu", &DeviceState::mtu)
                                    .field("@master", &DeviceState::master)
                                    .field("@parent", &DeviceState::parent)
                                    .field("@tag", &DeviceState::tag)
                                    .field("@stp", &DeviceState::stp)
                                    .field("@delay", &DeviceState::delay)
                                    .field("bond", &DeviceState::bond)
                                    .field("address", &DeviceState::addresses)
                                    .field("route", &DeviceState::routes);
    return table;
}

// ---- reading --------------------------------------------------------------------------------------------------------

namespace {

std::string name_of(int index, const std::vector<netlink::Link>& all) {
    const auto found = std::ranges::find(all, index, &netlink::Link::index);
    return found == all.end() ? std::string() : found->name;
}

KeptBond keep(const netlink::BondSettings& settings) {
    KeptBond kept;
    kept.mode = settings.mode;
    kept.miimon = settings.miimon;
    kept.updelay = settings.updelay;
    kept.downdelay = settings.downdelay;
    kept.use_carrier = settings.use_carrier;
    kept.arp_interval = settings.arp_interval;
    kept.arp_validate = settings.arp_validate;
    if (settings.arp_target) kept.arp_target = settings.arp_target->text();
    return kept;
}

netlink::BondSettings settings_of(const KeptBond& kept) {
    netlink::BondSettings settings;
    settings.mode = kept.mode;
    settings.miimon = kept.miimon;
    settings.updelay = kept.updelay;
    settings.downdelay = kept.downdelay;
    settings.use_carrier = kept.use_carrier;
    settings.arp_interval = kept.arp_interval;
    settings.arp_validate = kept.arp_validate;
    if (kept.arp_target) settings.arp_target = IpAddress::parse(*kept.arp_target);
    return settings;
}

std::string message_of(const std::string& base64) {
    const auto bytes = base64_decode(base64);
    return bytes ? std::string(bytes->view()) : std::string();
}

} // namespace

DeviceState read_device(const std::string& name) {
    DeviceState state{.name = name};
    const auto all = netlink::links();
    const auto link = std::ranges::find(all, name, &netlink::Link::name);
    if (link == all.end()) return state;
    state.present = true;
    state.up = link->up;
    state.mac = link->mac;
    state.mtu = link->mtu;
    if (auto master = name_of(link->master, all); !master.empty()) state.master = std::move(master);
    if (link->kind == "bridge") {
        const auto settings = netlink::bridge_settings(name);
        state.stp = settings.stp;
        state.delay = settings.delay_cs;
    }
    if (link->kind == "bond") state.bond = keep(netlink::bond_settings(name));
    if (link->kind == "vlan") {
        state.parent = name_of(link->parent, all);
        state.tag = link->tag;
    }
    if (link->kind == "bridge" || link->kind == "bond" || link->kind == "vlan") state.kind = link->kind;
    for (auto& address : netlink::addresses_of(name))
        state.addresses.push_back({name, base64_encode(address.message), {}});
    for (auto& route : netlink::routes_of(name)) state.routes.push_back({base64_encode(route.message), {}});
    return state;
}

std::vector<std::string> members_now(const std::string& device) {
    const auto all = netlink::links();
    const auto link = std::ranges::find(all, device, &netlink::Link::name);
    return link == all.end() ? std::vector<std::string>() : netlink::ports_of(*link, all);
}

// ---- applying -------------------------------------------------------------------------------------------------------

namespace {

class Application {
public:
    Application(const DeviceStates& wanted, const OnStep& on_step, bool whatever_fails)
        : wanted_(wanted), on_step_(on_step), whatever_fails_(whatever_fails) {}

    void run() {
        for (const auto* kind : {"bond", "vlan", "bridge"}) create(kind);
        for (const auto& device : wanted_)
            if (device.present) set_up(device);
        for (const auto& device : wanted_)
            if (device.present) put_addresses(device);
        for (const auto& device : wanted_)
            if (device.present) join(device);
        for (const auto& device : wanted_)
            if (device.present && device.up) put_routes(device);
        for (const auto& device : wanted_)
            if (device.present) remove_surplus(device);
        for (const auto& device : wanted_)
            if (device.present && !device.up) step("bring down " + device.name, [&] { set_down(device.name); });
        for (const auto* kind : {"bridge", "vlan", "bond"}) remove(kind);
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    void step(const std::string& name, const std::function<void()>& work) {
        if (on_step_) on_step_(name);
        try {
            work();
        } catch (...) {
            if (!whatever_fails_) throw;
            log::warning("cannot {}: {}", name, domus::describe(std::current_exception()));
            if (!failure_) failure_ = std::current_exception();
        }
    }

    static void set_down(const std::string& name) {
        if (const auto link = netlink::find_link(name); link && link->up) netlink::set_down(name);
    }

    void create(std::string_view kind) {
        for (const auto& device : wanted_) {
            if (!device.present || device.kind != kind || netlink::find_link(device.name)) continue;
            step("create " + device.name, [&] { create(device); });
        }
    }

    static void create(const DeviceState& device) {
        constexpr unsigned hundredths = 100;
        if (device.kind == "bond") netlink::create_bond(device.name, settings_of(device.bond.value_or(KeptBond{})));
        if (device.kind == "vlan")
            netlink::create_vlan(device.name, device.parent.value_or(""), device.tag.value_or(0));
        if (device.kind == "bridge")
            netlink::create_bridge({.name = device.name,
                                    .mac = device.mac.value_or(""),
                                    .stp = device.stp.value_or(false),
                                    .delay_s = device.delay.value_or(0) / hundredths});
    }

    /// MAC, MTU, membership in a bond, which wants the device down, and up.
    void set_up(const DeviceState& device) {
        step("set up " + device.name, [&] {
            const auto link = netlink::find_link(device.name);
            if (!link)
                throw Error(ErrorCode::operation_failed, ErrorDomain::interface,
                            fmt::format("there is no network device '{}'", device.name))
                    .hint("see 'ip link'");
            if (device.mac && !device.mac->empty() && link->mac != *device.mac)
                netlink::set_mac(device.name, *device.mac);
            if (device.mtu && link->mtu != *device.mtu) netlink::set_mtu(device.name, *device.mtu);
            if (device.master && is_bond(*device.master) && current_master(*link) != *device.master) {
                if (link->up) netlink::set_down(device.name);
                netlink::set_master(device.name, *device.master);
            }
            if (device.up) netlink::set_up(device.name);
        });
    }

    bool is_bond(const std::string& name) const {
        const auto found = std::ranges::find(wanted_, name, &DeviceState::name);
        if (found != wanted_.end()) return found->kind == "bond";
        const auto link = netlink::find_link(name);
        return link && link->kind == "bond";
    }

    static std::string current_master(const netlink::Link& link) {
        return link.master == 0 ? std::string() : name_of(link.master, netlink::links());
    }

    void put_addresses(const DeviceState& device) {
        for (const auto& address : device.addresses)
            step("give an address to " + device.name,
                 [&] { netlink::put_address(device.name, message_of(address.message), address.from); });
    }

    void join(const DeviceState& device) {
        const auto link = netlink::find_link(device.name);
        if (!link || current_master(*link) == device.master.value_or("")) return;
        if (device.master)
            step("join " + device.name, [&] { netlink::set_master(device.name, *device.master); });
        else
            step("release " + device.name, [&] { netlink::release_from_master(device.name); });
    }

    void put_routes(const DeviceState& device) {
        for (const auto& route : device.routes)
            step("set a route over " + device.name,
                 [&] { netlink::put_route(device.name, message_of(route.message)); });
    }

    void remove_surplus(const DeviceState& device) {
        if (!netlink::find_link(device.name)) return;
        step("clear " + device.name, [&] {
            for (const auto& route : netlink::routes_of(device.name))
                if (!has_route(device, route)) netlink::delete_route(device.name, route.message);
            for (const auto& address : netlink::addresses_of(device.name)) {
                if (address.link_local && !device.master && device.up) continue; // the kernel's own
                if (!has_address(device, address)) netlink::delete_address(device.name, address.message);
            }
        });
    }

    static bool has_address(const DeviceState& device, const netlink::CarriedAddress& address) {
        return std::ranges::any_of(device.addresses, [&](const KeptAddress& kept) {
            return netlink::read_address(message_of(kept.message)).address == address.address;
        });
    }

    static bool has_route(const DeviceState& device, const netlink::CarriedRoute& route) {
        return std::ranges::any_of(device.routes, [&](const KeptRoute& kept) {
            const auto other = netlink::read_route(message_of(kept.message));
            return other.destination == route.destination && other.gateway == route.gateway
                   && other.table == route.table && other.metric == route.metric;
        });
    }

    void remove(std::string_view kind) {
        for (const auto& device : wanted_) {
            if (device.present) continue;
            const auto link = netlink::find_link(device.name);
            if (link && link->kind == kind) step("remove " + device.name, [&] { netlink::delete_link(device.name); });
        }
    }

    const DeviceStates& wanted_;
    const OnStep& on_step_;
    bool whatever_fails_;
    std::exception_ptr failure_;
};

} // namespace

void apply(const DeviceStates& wanted, const OnStep& on_step) { Application(wanted, on_step, false).run(); }
void apply_all(const DeviceStates& wanted, const OnStep& on_step) { Application(wanted, on_step, true).run(); }

} // namespace domus::host
