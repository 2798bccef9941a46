// A bridge that we make, with addresses, DHCP, DNS and rules of the firewall: isolated networks, and those whose <forward> has
// the mode 'nat', 'route' or 'open'.
#include "base/log.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/firewall_service.hpp"
#include "network/kind.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/tap.hpp"
#include "network/port/vlan.hpp"
#include "network/subnet.hpp"
#include "os/files.hpp"
#include "os/netlink/address.hpp"
#include "os/netlink/bridge.hpp"
#include "os/netlink/bridge_port.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/route.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

namespace domus::network {

namespace fs = std::filesystem;

namespace {

void write_sysctl(const std::string& name, std::string_view value) {
    const auto file = "/proc/sys/net/" + name;
    if (read_file(file, 16).starts_with(value)) return;
    const auto fd = open_file(file, O_WRONLY);
    write_all(fd.get(), std::string(value) + "\n", file);
}

/// A host that forwards IPv6 ignores router advertisements unless accept_ra is 2 (Documentation/networking/ip-sysctl.rst):
/// devices that got their address by one keep it.
void keep_advertised_addresses() {
    for (const auto& link : netlink::links()) {
        const auto name = fmt::format("ipv6/conf/{}/accept_ra", link.name);
        std::error_code failure;
        if (fs::exists("/proc/sys/net/" + name, failure) && read_file("/proc/sys/net/" + name, 16).starts_with('1'))
            write_sysctl(name, "2");
    }
}

void allow_forwarding(bool v6) {
    write_sysctl("ipv4/ip_forward", "1");
    if (!v6) return;
    if (read_file("/proc/sys/net/ipv6/conf/all/forwarding", 16).starts_with('1')) return;
    keep_advertised_addresses();
    write_sysctl("ipv6/conf/all/forwarding", "1");
}

/// Guests reach the host by IPv6 only where the network has such an address; the bridge takes none from them.
void settle_ipv6(const std::string& bridge, bool v6) {
    std::error_code failure;
    const auto folder = fmt::format("ipv6/conf/{}/", bridge);
    if (!fs::exists("/proc/sys/net/" + folder, failure)) return; // the kernel has no IPv6
    write_sysctl(folder + "disable_ipv6", v6 ? "0" : "1");
    if (!v6) return;
    write_sysctl(folder + "accept_ra", "0");
    write_sysctl(folder + "autoconf", "0");
}

void choose_subnet_for(model::Network& live) {
    const auto subnet = choose_subnet(subnets_in_use());
    auto& ip = live.ips.emplace_back();
    ip.address = subnet.address.text();
    ip.netmask = subnet.mask().text();
    ip.dhcp = true;
    auto& range = ip.dhcp_ranges.emplace_back();
    range.start = subnet.first().plus(2).text();
    range.end = subnet.last().before().text();
}

void require_free(const std::vector<Subnet>& wanted) {
    for (const auto& used : subnets_in_use())
        for (const auto& mine : wanted)
            if (used.prefix > 0 && used.overlaps(mine))
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: Network is already in use by a route or address of this host: "
                                        "{} overlaps {}",
                                        mine.text(), used.text()))
                    .hint("see 'ip route', and choose another subnet with 'domus net-edit'");
}

void set_up_bridge(const model::Network& live, const std::vector<Subnet>& subnets) {
    const auto& name = *live.bridge.name;
    settle_ipv6(name, has_ipv6(live));
    for (const auto& subnet : subnets) netlink::add_address(name, subnet);
    if (live.vlan) join_vlans(name, *live.vlan);
    netlink::set_up(name);
    for (const auto& route : live.routes)
        netlink::add_route(name, destination_of(route), IpAddress::parse(route.gateway).value(), metric_of(route));
    if (is_limited(live.bandwidth)) set_bandwidth(name, live.bandwidth);
    if (live.mode() != model::ForwardMode::none) allow_forwarding(has_ipv6(live));
}

void make_bridge(model::Network& live, const std::string& alias, bool choose) {
    if (choose) choose_subnet_for(live);
    const auto wanted = subnets_of(live);
    require_free(wanted);
    netlink::create_bridge(bridge_of(live, alias));
    try {
        if (wants_vlans(live)) netlink::set_vlan_filtering(*live.bridge.name, true);
        set_up_bridge(live, wanted);
    } catch (...) {
        netlink::delete_link(*live.bridge.name);
        throw;
    }
}

/// What a daemon that was killed, or whose record is lost, has left of this network's bridge. Returns its ports: guests may
/// still run on it.
std::vector<std::string> remove_old_bridge(const netlink::NewBridge& wanted) {
    std::vector<std::string> ports;
    if (!is_bridge_of(wanted)) return ports;
    ports = bridge_ports(wanted.name);
    netlink::delete_link(wanted.name);
    return ports;
}

/// The bridge is ours, and may begin to keep VLANs apart when a port wants that.
const std::string& bridge_for(const model::Network& live, const PortSettings& settings) {
    const auto& bridge = *live.bridge.name;
    if (settings.vlan && !netlink::filters_vlans(bridge)) netlink::set_vlan_filtering(bridge, true);
    return bridge;
}

class RunningBridge : public RunningKind {
public:
    RunningBridge(const Site& site, Lane& lane, const std::string& name)
        : lane_(lane), alias_(site.alias_of(name)),
          dnsmasq_(lane, {site.files_of(name), site.pid_file_of(name), site.log_of(name)}), firewall_(lane) {}

    Task<> start(std::shared_ptr<model::Network> live, std::string& step) override {
        step = "removing what is left of an earlier run";
        co_await dnsmasq_.end();
        auto remove = [wanted = bridge_of(*live, alias_)] { return remove_old_bridge(wanted); };
        const auto ports = co_await lane_.run(Deadline::in(timeout), std::move(remove));
        step = "making the bridge";
        const bool choose = live->ips.empty() && live->name == "default";
        auto work = [live, choose, alias = alias_] { make_bridge(*live, alias, choose); };
        co_await lane_.run(Deadline::in(timeout), std::move(work));
        has_bridge_ = true;
        step = "setting the firewall's rules";
        co_await firewall_.apply(live);
        has_rules_ = true;
        if (live->mode() != model::ForwardMode::open) co_await firewall_.open_foreign_chains(live);
        step = "running dnsmasq";
        has_files_ = true;
        if (is_watched(*live)) co_await revive(live);
        if (ports.empty()) co_return;
        step = "attaching guests that run";
        auto join = [ports, bridge = *live->bridge.name] {
            for (const auto& port : ports) netlink::set_master(port, bridge);
        };
        co_await lane_.run(Deadline::in(timeout), std::move(join));
    }

    Task<bool> stop(Live live) override {
        co_await dnsmasq_.end();
        std::exception_ptr trouble;
        try {
            if (has_rules_) co_await firewall_.remove(live);
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("network '{}': its firewall's rules stay: {}", live->name, describe(trouble));
        auto work = [bridge = bridge_of(*live, alias_), limited = is_limited(live->bandwidth), bridged = has_bridge_,
                     files = has_files_ ? dnsmasq_.made_files() : std::vector<fs::path>()] {
            if (bridged && is_bridge_of(bridge)) netlink::delete_link(bridge.name);
            if (bridged && limited) forget_bandwidth(bridge.name);
            for (const auto& file : files) remove_if_possible(file);
        };
        const bool rules_stay = trouble != nullptr;
        trouble = nullptr;
        try {
            co_await lane_.run(Deadline::in(timeout), std::move(work));
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("network '{}': its bridge stays: {}", live->name, describe(trouble));
        co_return !rules_stay && !trouble;
    }

    Task<> take_over(Live, int pid, std::uint64_t start_time) override {
        has_bridge_ = has_rules_ = has_files_ = true;
        co_await dnsmasq_.take_over(pid, start_time);
    }

    Task<> change(Live before, Live after) override {
        if (before->forward != after->forward) co_await firewall_.apply(after);
        if (!is_watched(*after)) co_return;
        if (dnsmasq_.wants_restart(*before, *after))
            co_await revive(after);
        else
            co_await dnsmasq_.reload(after);
    }

    Port attach(const model::Network& live, const PortSettings& settings) const override {
        return open_tap_port(settings, bridge_for(live, settings));
    }
    Port change_port(const model::Network& live, const PortSettings& settings, bool was_limited) const override {
        return change_tap_port(settings, bridge_for(live, settings), was_limited);
    }

    bool is_watched(const model::Network& live) const override { return !live.ips.empty(); }
    std::shared_ptr<Process> program() const override { return dnsmasq_.process(); }
    Task<> revive(Live live) override {
        co_await dnsmasq_.run(live);
        dnsmasq_.process()->release();
    }

private:
    Lane& lane_;
    std::string alias_;
    DnsmasqService dnsmasq_;
    FirewallService firewall_;
    bool has_bridge_ = false, has_rules_ = false, has_files_ = false;
};

class OwnBridge : public Kind {
public:
    std::string_view name() const override { return "own bridge"; }
    bool is_of(const model::Network& network) const override { return network.has_own_bridge(); }
    std::unique_ptr<RunningKind> make(const Site& site, Lane& lane, const std::string& name) const override {
        return std::make_unique<RunningBridge>(site, lane, name);
    }
};

} // namespace

const Kind& kind_own_bridge() {
    static const OwnBridge kind;
    return kind;
}

} // namespace domus::network
