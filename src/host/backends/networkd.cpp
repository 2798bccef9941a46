// systemd-networkd: systemd.network(5) and systemd.netdev(5) in /etc/systemd/network. What is above an interface (its bridge,
// bond, VLANs) is named in the interface's own .network.
#include "base/error.hpp"
#include "host/backends/ini.hpp"
#include "host/backends/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace domus::host::backends {

namespace fs = std::filesystem;

using model::AddressFamily;
using model::HostInterface;
using model::HostInterfaceType;

namespace {

const fs::path folder = "/etc/systemd/network";

struct NetworkFile {
    fs::path path;
    Ini ini;
};

/// Of that suffix, in the order in which networkd takes them.
std::vector<NetworkFile> files_of(const FilePlan& files, std::string_view suffix) {
    std::vector<NetworkFile> all;
    for (const auto& name : files.names_in(folder))
        if (name.ends_with(suffix))
            if (const auto text = files.read(folder / name)) all.push_back({folder / name, Ini(*text)});
    return all;
}

/// The one device that a .network is for; empty for one with a pattern, or with other conditions.
std::string device_of(const Ini& ini) {
    const auto entries = ini.entries("Match");
    if (entries.size() != 1 || entries[0].key != "Name" || entries[0].value.find_first_of(" *?[!") != std::string::npos)
        return {};
    return entries[0].value;
}

std::optional<NetworkFile> network_of(const FilePlan& files, const std::string& name) {
    for (auto& file : files_of(files, ".network"))
        if (device_of(file.ini) == name) return std::move(file);
    return std::nullopt;
}

std::optional<NetworkFile> netdev_of(const FilePlan& files, const std::string& name) {
    for (auto& file : files_of(files, ".netdev"))
        if (file.ini.get("NetDev", "Name") == name) return std::move(file);
    return std::nullopt;
}

fs::path own_path(const std::string& name, std::string_view suffix) {
    return folder / fmt::format("10-domus-{}{}", name, suffix);
}

NetworkFile network_or_new(const FilePlan& files, const std::string& name) {
    if (auto found = network_of(files, name)) return std::move(*found);
    NetworkFile fresh{own_path(name, ".network"), Ini(file_marker)};
    fresh.ini.append("Match", {{"Name", name}});
    return fresh;
}

// ---- reading --------------------------------------------------------------------------------------------------------

/// "100ms", "0.1", "2s" as milliseconds.
std::optional<unsigned> milliseconds(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    double value = 0;
    const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (failure != std::errc()) return std::nullopt;
    constexpr double thousand = 1000;
    const auto unit = trimmed(std::string_view(end, text->data() + text->size()));
    return static_cast<unsigned>(unit == "ms" ? value : value * thousand);
}

void read_dhcp(HostInterface& interface, const Ini& ini) {
    const auto dhcp = ini.get("Network", "DHCP").value_or("no");
    const bool both = to_truth(dhcp);
    const auto use = [&](AddressFamily family, std::string_view section) {
        auto& client = interface.protocol(family).dhcp.emplace();
        if (const auto dns = ini.get(section, "UseDNS")) client.peerdns = to_truth(*dns);
    };
    if (both || dhcp == "ipv4") use(AddressFamily::ipv4, "DHCPv4");
    if (both || dhcp == "ipv6") use(AddressFamily::ipv6, "DHCPv6");
    if (const auto autoconf = ini.get("Network", "IPv6AcceptRA"); autoconf && to_truth(*autoconf))
        interface.protocol(AddressFamily::ipv6).autoconf = true;
}

void read_routes(HostInterface& interface, const Ini& ini) {
    for (const auto& section : ini.sections()) {
        std::string address, destination = "default", gateway;
        std::optional<unsigned> metric;
        for (const auto& [key, value, line] : ini.entries(section)) {
            if (key == "Address") address = value;
            if (key == "Destination") destination = value;
            if (key == "Gateway") gateway = value;
            if (key == "Metric") metric = to_number(value);
        }
        if (section.name == "Address") add_address(interface, address);
        if (section.name == "Route" && IpAddress::parse(gateway)) add_route(interface, destination, gateway, metric);
    }
}

void read_network(HostInterface& interface, const Ini& ini) {
    const auto policy = ini.get("Link", "ActivationPolicy").value_or("up");
    interface.start = policy == "manual" || policy == "down" ? model::StartMode::none : model::StartMode::onboot;
    if (const auto mtu = ini.get("Link", "MTUBytes")) interface.mtu = to_number(*mtu);
    if (const auto mac = ini.get("Link", "MACAddress")) interface.mac = *mac;
    read_dhcp(interface, ini);
    for (const auto& address : ini.all("Network", "Address")) add_address(interface, address);
    for (const auto& gateway : ini.all("Network", "Gateway"))
        if (IpAddress::parse(gateway)) add_gateway(interface, gateway);
    read_routes(interface, ini);
}

void read_bond(model::BondOptions& bond, const Ini& ini) {
    const auto get = [&](std::string_view key) { return ini.get("Bond", key); };
    if (const auto mode = get("Mode")) bond.mode = to_bond_mode(*mode);
    if (const auto freq = milliseconds(get("MIIMonitorSec")); freq.value_or(0) != 0) {
        auto& monitor = bond.miimon.emplace();
        monitor.freq = *freq;
        monitor.updelay = milliseconds(get("UpDelaySec"));
        monitor.downdelay = milliseconds(get("DownDelaySec"));
    }
    if (const auto interval = milliseconds(get("ARPIntervalSec")); interval.value_or(0) != 0) {
        auto& monitor = bond.arpmon.emplace();
        monitor.interval = *interval;
        monitor.target = get("ARPIPTargets").value_or("");
        if (const auto validate = get("ARPValidate"))
            monitor.validate = format::from_word<model::ArpValidation>(*validate);
    }
}

void read_netdev(std::vector<HostInterface>& all, const Ini& ini) {
    const auto name = ini.get("NetDev", "Name").value_or("");
    const auto type = format::from_word<HostInterfaceType>(ini.get("NetDev", "Kind").value_or(""));
    if (name.empty() || !type || *type == HostInterfaceType::ethernet) return;
    auto& interface = named(all, name, *type);
    interface.mac = ini.get("NetDev", "MACAddress");
    if (interface.mac == "none") interface.mac.reset();
    if (const auto mtu = ini.get("NetDev", "MTUBytes")) interface.mtu = to_number(*mtu);
    if (*type == HostInterfaceType::bridge) {
        auto& bridge = interface.bridge.emplace();
        if (const auto stp = ini.get("Bridge", "STP"))
            bridge.stp = to_truth(*stp) ? format::OnOff::on : format::OnOff::off;
        bridge.delay = ini.get("Bridge", "ForwardDelaySec");
    }
    if (*type == HostInterfaceType::vlan)
        interface.vlan.emplace().tag = to_number(ini.get("VLAN", "Id").value_or("")).value_or(0);
    if (*type == HostInterfaceType::bond) read_bond(interface.bond.emplace(), ini);
}

// ---- writing --------------------------------------------------------------------------------------------------------

void write_protocols(Ini& ini, const HostInterface& interface) {
    const auto* v4 = interface.protocol(AddressFamily::ipv4);
    const auto* v6 = interface.protocol(AddressFamily::ipv6);
    const bool dhcp4 = v4 && v4->dhcp, dhcp6 = v6 && v6->dhcp;
    std::vector<std::string> addresses, gateways;
    ini.drop_section("Address");
    ini.drop_section("Route");
    for (const auto& protocol : interface.protocols) {
        for (const auto& ip : protocol.ips) addresses.push_back(with_prefix(ip));
        for (const auto& route : protocol.routes)
            if (is_default(route) && !route.metric) gateways.push_back(route.gateway);
    }
    ini.set("Network", "DHCP",
            std::vector<std::string>{dhcp4 && dhcp6 ? "yes"
                                     : dhcp4        ? "ipv4"
                                     : dhcp6        ? "ipv6"
                                                    : "no"});
    const auto accepts = ini.get("Network", "IPv6AcceptRA");
    if (v6 || accepts) ini.set("Network", "IPv6AcceptRA", std::vector<std::string>{v6 && v6->autoconf ? "yes" : "no"});
    ini.set("Network", "Address", addresses);
    ini.set("Network", "Gateway", gateways);
    const auto dns = [&](std::string_view section, const model::InterfaceProtocol* protocol) {
        std::optional<std::string> use;
        if (protocol && protocol->dhcp && protocol->dhcp->peerdns) use = *protocol->dhcp->peerdns ? "yes" : "no";
        if (use || ini.get(section, "UseDNS")) ini.set(section, "UseDNS", use);
    };
    dns("DHCPv4", v4);
    dns("DHCPv6", v6);
    for (const auto& protocol : interface.protocols)
        for (const auto& route : protocol.routes) {
            if (is_default(route) && !route.metric) continue;
            std::vector<std::pair<std::string, std::string>> entries{{"Destination", destination_of(route)},
                                                                     {"Gateway", route.gateway}};
            if (route.metric) entries.emplace_back("Metric", std::to_string(*route.metric));
            ini.append("Route", entries);
        }
}

void write_network(Ini& ini, const HostInterface& interface) {
    std::optional<std::string> mtu, mac, policy;
    if (interface.mtu) mtu = std::to_string(*interface.mtu);
    if (interface.type == HostInterfaceType::ethernet) mac = interface.mac;
    if (!interface.onboot()) policy = "manual";
    ini.set("Link", "MTUBytes", mtu);
    ini.set("Link", "MACAddress", mac);
    if (policy || ini.get("Link", "ActivationPolicy")) ini.set("Link", "ActivationPolicy", policy);
    write_protocols(ini, interface);
    ini.drop_sections_without_entries();
}

std::optional<std::string> in_ms(std::optional<unsigned> value) {
    if (!value) return std::nullopt;
    return fmt::format("{}ms", *value);
}

void write_bond(Ini& ini, const model::BondOptions& bond) {
    if (bond.miimon && bond.miimon->carrier == model::Carrier::ioctl)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::interface,
                    "unsupported configuration: the carrier 'ioctl' of <miimon>: systemd-networkd asks the kernel");
    const auto set = [&](std::string_view key, const std::optional<std::string>& value) {
        ini.set("Bond", key, value);
    };
    set("Mode", bond.mode ? std::optional(std::string(format::word(*bond.mode))) : std::nullopt);
    set("MIIMonitorSec", bond.miimon ? in_ms(bond.miimon->freq) : std::nullopt);
    set("UpDelaySec", bond.miimon ? in_ms(bond.miimon->updelay) : std::nullopt);
    set("DownDelaySec", bond.miimon ? in_ms(bond.miimon->downdelay) : std::nullopt);
    set("ARPIntervalSec", bond.arpmon ? in_ms(bond.arpmon->interval) : std::nullopt);
    set("ARPIPTargets", bond.arpmon ? std::optional(bond.arpmon->target) : std::nullopt);
    const bool validates = bond.arpmon && bond.arpmon->validate;
    set("ARPValidate", validates ? std::optional(std::string(format::word(*bond.arpmon->validate))) : std::nullopt);
}

void write_netdev(FilePlan& files, const HostInterface& interface) {
    if (interface.type == HostInterfaceType::ethernet) return;
    auto file =
        netdev_of(files, interface.name).value_or(NetworkFile{own_path(interface.name, ".netdev"), Ini(file_marker)});
    auto& ini = file.ini;
    ini.set("NetDev", "Name", std::vector<std::string>{interface.name});
    ini.set("NetDev", "Kind", std::vector<std::string>{std::string(format::word(interface.type))});
    ini.set("NetDev", "MACAddress", interface.bridge ? bridge_mac(interface) : interface.mac);
    if (interface.bridge) {
        std::optional<std::string> stp;
        if (interface.bridge->stp) stp = interface.bridge->stp == format::OnOff::on ? "yes" : "no";
        ini.set("Bridge", "STP", stp);
        ini.set("Bridge", "ForwardDelaySec", interface.bridge->delay);
    }
    if (interface.vlan) ini.set("VLAN", "Id", std::vector<std::string>{std::to_string(interface.vlan->tag)});
    if (interface.bond) write_bond(ini, *interface.bond);
    files.write(file.path, ini.text());
}

/// Says in a member's .network what it belongs to.
void set_master(FilePlan& files, const std::string& member, std::string_view key, const std::string& master) {
    auto file = network_or_new(files, member);
    if (key == "VLAN") {
        auto vlans = file.ini.all("Network", "VLAN");
        if (!std::ranges::count(vlans, master)) vlans.push_back(master);
        file.ini.set("Network", "VLAN", vlans);
    } else {
        file.ini.set("Network", "Bridge", key == "Bridge" ? std::optional(master) : std::nullopt);
        file.ini.set("Network", "Bond", key == "Bond" ? std::optional(master) : std::nullopt);
    }
    files.write(file.path, file.ini.text());
}

constexpr auto own_keys = std::to_array<std::string_view>(
    {"DHCP", "Address", "Gateway", "IPv6AcceptRA", "VLAN", "Bridge", "Bond", "LinkLocalAddressing"});

/// DNS=, Domains=, [DHCPv4] and whatever else goes with the addresses and not with the device.
void move_options(Ini& from, Ini& to) {
    const auto network = from.entries("Network");
    for (const auto& [key, value, line] : network) {
        if (std::ranges::count(own_keys, key)) continue;
        if (!to.get("Network", key)) to.set("Network", key, from.all("Network", key));
        from.set("Network", key, std::nullopt);
    }
    const auto travels = [](const Ini::Section& section) {
        return section.name != "Match" && section.name != "Link" && section.name != "Network";
    };
    for (;;) {
        const auto known = from.sections();
        const auto next = std::ranges::find_if(known, travels);
        if (next == known.end()) return;
        for (const auto& section : known) {
            if (section.name != next->name || section.name == "Address" || section.name == "Route") continue;
            std::vector<std::pair<std::string, std::string>> entries;
            for (const auto& [key, value, line] : from.entries(section)) entries.emplace_back(key, value);
            to.append(section.name, entries);
        }
        from.drop_section(next->name);
    }
}

class Networkd : public Backend {
public:
    std::string_view name() const override { return "systemd-networkd"; }

    Presence presence(const FilePlan& files) const override {
        return presence_of(
            files, !read(files).empty(),
            {"/run/systemd/netif", "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"});
    }

    std::vector<HostInterface> read(const FilePlan& files) const override {
        std::vector<HostInterface> all;
        std::vector<Membership> memberships;
        const auto networks = files_of(files, ".network");
        for (const auto& file : files_of(files, ".netdev")) read_netdev(all, file.ini);
        for (const auto& file : networks) {
            const auto device = device_of(file.ini);
            if (device.empty() || device == "lo") continue;
            read_network(named(all, device), file.ini);
            for (const auto* key : {"Bridge", "Bond"})
                if (const auto master = file.ini.get("Network", key)) memberships.push_back({*master, device});
            for (const auto& vlan : file.ini.all("Network", "VLAN")) {
                const auto found = std::ranges::find(all, vlan, &HostInterface::name);
                if (found != all.end() && found->vlan) found->vlan->parent = device;
            }
        }
        join(all, memberships);
        return all;
    }

    void define(FilePlan& files, const HostInterface& interface) const override {
        const bool fresh = !network_of(files, interface.name);
        auto own = network_or_new(files, interface.name);
        release_others(files, interface);
        for (const auto& member : members_of(interface)) {
            if (member.type != HostInterfaceType::ethernet) write_netdev(files, member);
            if (member.vlan) set_master(files, member.vlan->parent, "VLAN", member.name);
            if (member.bond)
                for (const auto& below : member.bond->members) set_master(files, below.name, "Bond", member.name);
            auto below = network_or_new(files, member.name);
            auto bare = member;
            if (const auto mtu = below.ini.get("Link", "MTUBytes"); mtu && !bare.mtu) bare.mtu = to_number(*mtu);
            if (fresh && interface.bridge) move_options(below.ini, own.ini);
            write_network(below.ini, bare);
            files.write(below.path, below.ini.text());
            set_master(files, member.name, interface.bridge ? "Bridge" : "Bond", interface.name);
        }
        if (interface.vlan) set_master(files, interface.vlan->parent, "VLAN", interface.name);
        write_netdev(files, interface);
        if (const auto again = files.read(own.path); again && !fresh) own.ini = Ini(*again);
        write_network(own.ini, interface);
        if (interface.type == HostInterfaceType::ethernet)
            for (const auto* key : {"Bridge", "Bond"}) own.ini.set("Network", key, std::nullopt);
        files.write(own.path, own.ini.text());
    }

    void undefine(FilePlan& files, const std::string& name) const override {
        if (const auto file = network_of(files, name)) files.remove(file->path);
        if (const auto file = netdev_of(files, name)) files.remove(file->path);
        release(files, [&](std::string_view, const std::string& master, const std::string&) { return master == name; });
    }

    void carry_options(FilePlan& files, const std::string& from, const std::string& to) const override {
        auto source = network_of(files, from);
        if (!source) return;
        auto target = network_or_new(files, to);
        move_options(source->ini, target.ini);
        target.ini.drop_sections_without_entries();
        files.write(target.path, target.ini.text());
    }

    void keep_client_id(FilePlan& files, int from, const std::string& to) const override {
        // Its id is 255, four bytes that it derives from the interface's name, and the host's DUID (RFC 4361).
        const auto lease = files.read(fmt::format("/run/systemd/netif/leases/{}", from));
        auto file = network_of(files, to);
        if (!lease || !file || file->ini.get("DHCPv4", "IAID") || file->ini.get("DHCPv4", "ClientIdentifier")) return;
        constexpr std::size_t digits = 10;
        for (const auto& line : lines_of(*lease)) {
            if (!line.starts_with("CLIENTID=ff") || line.size() < 9 + digits) continue;
            const auto iaid = std::stoul(line.substr(11, 8), nullptr, 16);
            file->ini.set("DHCPv4", "ClientIdentifier", std::optional<std::string>("duid"));
            file->ini.set("DHCPv4", "IAID", std::optional<std::string>(std::to_string(iaid)));
            files.write(file->path, file->ini.text());
        }
    }

    std::vector<std::string> reload() const override { return {"networkctl", "reload"}; }

private:
    /// What was in it and is not named any more.
    void release_others(FilePlan& files, const HostInterface& interface) const {
        const auto members = interface.members();
        release(files, [&](std::string_view key, const std::string& master, const std::string& member) {
            return key != "VLAN" && master == interface.name && !std::ranges::count(members, member);
        });
    }

    static void release(FilePlan& files, const auto& chosen) {
        for (auto& file : files_of(files, ".network")) {
            const auto device = device_of(file.ini);
            for (const auto* key : {"Bridge", "Bond", "VLAN"}) {
                auto masters = file.ini.all("Network", key);
                if (std::erase_if(masters, [&](const std::string& master) { return chosen(key, master, device); }))
                    file.ini.set("Network", key, masters);
            }
            file.ini.drop_sections_without_entries();
            const auto now = files.read(file.path);
            if (now && lines_of(*now) == lines_of(file.ini.text())) continue;
            if (file.ini.text().starts_with(file_marker) && file.ini.has_only({"Match"}))
                files.remove(file.path);
            else
                files.write(file.path, file.ini.text());
        }
    }
};

} // namespace

const Backend& kind_networkd() {
    static const Networkd backend;
    return backend;
}

} // namespace domus::host::backends
