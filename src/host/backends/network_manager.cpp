// NetworkManager: keyfiles in /etc/NetworkManager/system-connections, nm-settings-keyfile(5). They are for root alone, as they
// may hold secrets: NetworkManager ignores others.
#include "host/backends/ini.hpp"
#include "host/backends/words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host::backends {

namespace fs = std::filesystem;

using model::AddressFamily;
using model::HostInterface;
using model::HostInterfaceType;

namespace {

const fs::path folder = "/etc/NetworkManager/system-connections";
constexpr mode_t secret_mode = 0600;

struct Connection {
    fs::path path;
    Ini ini;

    std::string device() const { return ini.get("connection", "interface-name").value_or(""); }
    std::string id() const { return ini.get("connection", "id").value_or(""); }
    std::string uuid() const { return ini.get("connection", "uuid").value_or(""); }
};

std::optional<HostInterfaceType> type_of(const Ini& ini) {
    const auto type = ini.get("connection", "type").value_or("");
    if (type == "802-3-ethernet") return HostInterfaceType::ethernet;
    return format::from_word<HostInterfaceType>(type);
}

std::vector<Connection> connections(const FilePlan& files) {
    std::vector<Connection> all;
    for (const auto& name : files.names_in(folder)) {
        if (name.starts_with('.') || name.ends_with('~')) continue;
        if (const auto text = files.read(folder / name)) all.push_back({folder / name, Ini(*text)});
    }
    std::erase_if(all, [](const Connection& each) { return each.device().empty() || !type_of(each.ini); });
    return all;
}

std::optional<Connection> find(const FilePlan& files, const std::string& device) {
    for (auto& connection : connections(files))
        if (connection.device() == device) return std::move(connection);
    return std::nullopt;
}

/// The same for the same name, so that what refers to it goes on to fit: RFC 9562, version 8.
std::string uuid_for(const std::string& device) {
    Uuid uuid;
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (auto& byte : uuid.bytes) {
        for (const char c : "domus " + device) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
        byte = static_cast<std::uint8_t>(hash >> 56u);
    }
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0fu) | 0x80u);
    uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3fu) | 0x80u);
    return uuid.text();
}

Connection find_or_new(const FilePlan& files, const HostInterface& interface) {
    if (auto found = find(files, interface.name)) return std::move(*found);
    Connection fresh{folder / (interface.name + ".nmconnection"), Ini(file_marker)};
    fresh.ini.append("connection", {{"id", interface.name},
                                    {"uuid", uuid_for(interface.name)},
                                    {"type", std::string(format::word(interface.type))},
                                    {"interface-name", interface.name}});
    return fresh;
}

void save(FilePlan& files, Connection& connection) {
    connection.ini.drop_sections_without_entries();
    files.write(connection.path, connection.ini.text(), secret_mode);
}

// ---- reading --------------------------------------------------------------------------------------------------------

/// address1=10.0.0.2/24,10.0.0.1; route1=10.1.0.0/16,10.0.0.1,5
void read_numbered(HostInterface& interface, const Ini& ini, std::string_view section) {
    for (const auto& [key, value, line] : ini.entries(section)) {
        const auto parts = split(value, ',');
        if (parts.empty()) continue;
        if (key.starts_with("address") && key != "address-data") {
            add_address(interface, parts[0]);
            if (parts.size() > 1) add_gateway(interface, parts[1]);
        }
        if (key == "gateway") add_gateway(interface, parts[0]);
        if (key.starts_with("route") && to_number(std::string_view(key).substr(5)) && parts.size() > 1)
            add_route(interface, parts[0], parts[1], parts.size() > 2 ? to_number(parts[2]) : std::nullopt);
    }
}

void read_family(HostInterface& interface, const Ini& ini, std::string_view section, AddressFamily family) {
    const auto method = ini.get(section, "method").value_or("");
    const bool v6 = family == AddressFamily::ipv6;
    if (method.empty() || method == "disabled" || method == "ignore" || method == "link-local") return;
    if (method == "dhcp" || (!v6 && method == "auto")) {
        auto& client = interface.protocol(family).dhcp.emplace();
        if (const auto ignore = ini.get(section, "ignore-auto-dns")) client.peerdns = !to_truth(*ignore);
    }
    if (v6 && method == "auto") interface.protocol(family).autoconf = true;
    read_numbered(interface, ini, section);
}

void read_bond(model::BondOptions& bond, const Ini& ini) {
    const auto number = [&](std::string_view key) { return to_number(ini.get("bond", key).value_or("")); };
    if (const auto mode = ini.get("bond", "mode")) bond.mode = to_bond_mode(*mode);
    if (const auto freq = number("miimon"); freq.value_or(0) != 0) {
        auto& monitor = bond.miimon.emplace();
        monitor.freq = *freq;
        monitor.updelay = number("updelay");
        monitor.downdelay = number("downdelay");
        if (const auto carrier = number("use_carrier"))
            monitor.carrier = *carrier ? model::Carrier::netif : model::Carrier::ioctl;
    }
    if (const auto interval = number("arp_interval"); interval.value_or(0) != 0) {
        auto& monitor = bond.arpmon.emplace();
        monitor.interval = *interval;
        monitor.target = ini.get("bond", "arp_ip_target").value_or("");
        if (const auto validate = ini.get("bond", "arp_validate"))
            monitor.validate = format::from_word<model::ArpValidation>(*validate);
    }
}

HostInterface to_interface(const Connection& connection) {
    const auto& ini = connection.ini;
    HostInterface interface;
    interface.name = connection.device();
    interface.type = *type_of(ini);
    interface.start = to_truth(ini.get("connection", "autoconnect").value_or("true")) ? model::StartMode::onboot
                                                                                      : model::StartMode::none;
    interface.mac = ini.get("ethernet", "cloned-mac-address");
    if (const auto mtu = ini.get("ethernet", "mtu")) interface.mtu = to_number(*mtu);
    if (interface.type == HostInterfaceType::bridge) {
        auto& bridge = interface.bridge.emplace();
        bridge.stp = to_truth(ini.get("bridge", "stp").value_or("true")) ? format::OnOff::on : format::OnOff::off;
        bridge.delay = ini.get("bridge", "forward-delay");
        if (const auto mac = ini.get("bridge", "mac-address")) interface.mac = mac;
    }
    if (interface.type == HostInterfaceType::vlan) {
        auto& vlan = interface.vlan.emplace();
        vlan.tag = to_number(ini.get("vlan", "id").value_or("")).value_or(0);
        vlan.parent = ini.get("vlan", "parent").value_or("");
    }
    if (interface.type == HostInterfaceType::bond) read_bond(interface.bond.emplace(), ini);
    read_family(interface, ini, "ipv4", AddressFamily::ipv4);
    read_family(interface, ini, "ipv6", AddressFamily::ipv6);
    return interface;
}

std::optional<std::string> master_of(const Ini& ini) {
    auto master = ini.get("connection", "controller"); // since 1.46
    return master ? master : ini.get("connection", "master");
}

// ---- writing --------------------------------------------------------------------------------------------------------

using Value = std::optional<std::string>;

Value number(std::optional<unsigned> value) { return value ? Value(std::to_string(*value)) : std::nullopt; }

std::string_view method_of(const model::InterfaceProtocol* protocol, AddressFamily family) {
    if (!protocol) return "disabled";
    if (family == AddressFamily::ipv4) return protocol->dhcp ? "auto" : protocol->ips.empty() ? "disabled" : "manual";
    if (protocol->autoconf) return "auto";
    return protocol->dhcp ? "dhcp" : protocol->ips.empty() ? "disabled" : "manual";
}

void write_family(Ini& ini, std::string_view section, const HostInterface& interface, AddressFamily family) {
    const auto* protocol = interface.protocol(family);
    for (const auto& entry : ini.entries(section)) {
        const bool address = entry.key.starts_with("address") && entry.key != "addr-gen-mode";
        const bool route = entry.key.starts_with("route") && to_number(std::string_view(entry.key).substr(5));
        if (address || route || entry.key == "gateway") ini.set(section, entry.key, Value());
    }
    ini.set(section, "method", Value(method_of(protocol, family)));
    Value ignore;
    if (protocol && protocol->dhcp && protocol->dhcp->peerdns) ignore = *protocol->dhcp->peerdns ? "false" : "true";
    if (ignore || ini.get(section, "ignore-auto-dns")) ini.set(section, "ignore-auto-dns", ignore);
    if (!protocol) return;
    unsigned addresses = 0, routes = 0;
    for (const auto& ip : protocol->ips)
        ini.set(section, fmt::format("address{}", ++addresses), Value(with_prefix(ip)));
    for (const auto& route : protocol->routes) {
        auto value = fmt::format("{},{}", destination_of(route), route.gateway);
        if (route.metric) value += fmt::format(",{}", *route.metric);
        if (is_default(route) && !route.metric && !protocol->ips.empty())
            ini.set(section, "gateway", Value(route.gateway));
        else
            ini.set(section, fmt::format("route{}", ++routes), Value(value));
    }
}

void write_bond(Ini& ini, const model::BondOptions& bond) {
    const auto set = [&](std::string_view key, const Value& value) { ini.set("bond", key, value); };
    const auto* mii = bond.miimon ? &*bond.miimon : nullptr;
    const auto* arp = bond.arpmon ? &*bond.arpmon : nullptr;
    set("mode", bond.mode ? Value(format::word(*bond.mode)) : std::nullopt);
    set("miimon", mii ? number(mii->freq) : std::nullopt);
    set("updelay", mii ? number(mii->updelay) : std::nullopt);
    set("downdelay", mii ? number(mii->downdelay) : std::nullopt);
    set("use_carrier", mii && mii->carrier ? Value(mii->carrier == model::Carrier::netif ? "1" : "0") : std::nullopt);
    set("arp_interval", arp ? number(arp->interval) : std::nullopt);
    set("arp_ip_target", arp ? Value(arp->target) : std::nullopt);
    set("arp_validate", arp && arp->validate ? Value(format::word(*arp->validate)) : std::nullopt);
}

/// What the device itself is, without addresses.
void write_device(Ini& ini, const HostInterface& interface) {
    ini.set("connection", "autoconnect", interface.onboot() ? Value() : Value("false"));
    ini.set("ethernet", "mtu", number(interface.mtu));
    if (interface.bridge) {
        const bool stp = interface.bridge->stp.value_or(format::OnOff::on) == format::OnOff::on;
        ini.set("bridge", "stp", Value(stp ? "true" : "false"));
        ini.set("bridge", "forward-delay",
                interface.bridge->delay ? Value(std::to_string(interface.bridge->delay_s())) : std::nullopt);
        ini.set("bridge", "mac-address", bridge_mac(interface));
    } else {
        ini.set("ethernet", "cloned-mac-address", interface.mac);
    }
    if (interface.vlan) {
        ini.set("vlan", "id", number(interface.vlan->tag));
        ini.set("vlan", "parent", Value(interface.vlan->parent));
    }
    if (interface.bond) write_bond(ini, *interface.bond);
}

void write_addresses(Ini& ini, const HostInterface& interface) {
    write_family(ini, "ipv4", interface, AddressFamily::ipv4);
    write_family(ini, "ipv6", interface, AddressFamily::ipv6);
}

void set_master(Ini& ini, const Value& master, const Value& kind) {
    ini.set("connection", "controller", Value());
    ini.set("connection", "port-type", Value());
    ini.set("connection", "master", master);
    ini.set("connection", "slave-type", kind);
}

/// DNS servers, search domains, the DHCP client's id and whatever else goes with the addresses.
void move_options(Ini& from, Ini& to) {
    for (const auto* section : {"ipv4", "ipv6"}) {
        for (const auto& [key, value, line] : from.entries(section)) {
            const bool ours = key == "method" || key == "gateway" || key == "ignore-auto-dns"
                              || (key.starts_with("address") && key.size() > 7)
                              || (key.starts_with("route") && to_number(std::string_view(key).substr(5)));
            if (!ours && !to.get(section, key)) to.set(section, key, Value(value));
        }
        from.drop_section(section);
    }
}

class NetworkManager : public Backend {
public:
    std::string_view name() const override { return "NetworkManager"; }

    Presence presence(const FilePlan& files) const override {
        return presence_of(
            files, !connections(files).empty(),
            {"/run/NetworkManager", "/etc/systemd/system/multi-user.target.wants/NetworkManager.service"});
    }

    std::vector<HostInterface> read(const FilePlan& files) const override {
        std::vector<HostInterface> all;
        std::vector<Membership> memberships;
        const auto known = connections(files);
        for (const auto& connection : known) {
            if (std::ranges::count(all, connection.device(), &HostInterface::name)) continue; // the first counts
            all.push_back(to_interface(connection));
            const auto master = master_of(connection.ini);
            if (!master) continue;
            for (const auto& other : known) // it is named by its device or its UUID
                if (other.device() == *master || other.uuid() == *master)
                    memberships.push_back({other.device(), connection.device()});
        }
        join(all, memberships);
        return all;
    }

    void define(FilePlan& files, const HostInterface& interface) const override {
        const bool fresh = !find(files, interface.name);
        release_others(files, interface);
        auto own = find_or_new(files, interface);
        for (const auto& member : members_of(interface)) {
            for (const auto& below : members_of(member)) write_member(files, below, member.name, "bond", nullptr);
            write_member(files, member, interface.name, interface.bridge ? "bridge" : "bond",
                         fresh && interface.bridge ? &own.ini : nullptr);
        }
        write_device(own.ini, interface);
        write_addresses(own.ini, interface);
        set_master(own.ini, Value(), Value());
        save(files, own);
    }

    void undefine(FilePlan& files, const std::string& name) const override {
        const auto found = find(files, name);
        if (!found) return;
        const auto uuid = found->uuid();
        files.remove(found->path);
        for (auto& connection : connections(files))
            if (const auto master = master_of(connection.ini); master && (*master == name || *master == uuid)) {
                set_master(connection.ini, Value(), Value());
                save(files, connection);
            }
    }

    void carry_options(FilePlan& files, const std::string& from, const std::string& to) const override {
        auto source = find(files, from), target = find(files, to);
        if (!source || !target) return;
        move_options(source->ini, target->ini);
        save(files, *target);
    }

    std::vector<std::string> reload() const override { return {"nmcli", "connection", "reload"}; }

private:
    static void write_member(FilePlan& files, const HostInterface& member, const std::string& master,
                             std::string_view kind, Ini* options) {
        auto below = find_or_new(files, member);
        if (options) move_options(below.ini, *options);
        const auto mtu = member.mtu ? number(member.mtu) : below.ini.get("ethernet", "mtu");
        write_device(below.ini, member);
        below.ini.set("ethernet", "mtu", mtu);
        below.ini.drop_section("ipv4"); // a port has none
        below.ini.drop_section("ipv6");
        set_master(below.ini, Value(master), Value(kind));
        save(files, below);
    }

    static void release_others(FilePlan& files, const HostInterface& interface) {
        const auto members = interface.members();
        for (auto& connection : connections(files)) {
            if (master_of(connection.ini) != interface.name || std::ranges::count(members, connection.device()))
                continue;
            set_master(connection.ini, Value(), Value());
            save(files, connection);
        }
    }
};

} // namespace

const Backend& kind_network_manager() {
    static const NetworkManager backend;
    return backend;
}

} // namespace domus::host::backends
