#include "host/backends/words.hpp"

#include "base/number.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host {

bool uses_netplan(const FilePlan& files) {
    return std::ranges::any_of(files.names_in("/etc/netplan"),
                               [](const std::string& name) { return name.ends_with(".yaml"); });
}

const Backend* find_backend(const FilePlan& files) {
    if (uses_netplan(files)) return nullptr;
    for (const auto wanted : {Presence::in_use, Presence::there})
        for (const auto* backend : backends::all_kinds())
            if (backend->presence(files) == wanted) return backend;
    return nullptr;
}

} // namespace domus::host

namespace domus::host::backends {

using model::AddressFamily;
using model::HostInterface;
using model::HostInterfaceType;

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
    }
    return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    return text;
}

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    constexpr std::string_view blanks = " \t\r";
    for (auto begin = line.find_first_not_of(blanks); begin != line.npos;) {
        const auto end = line.find_first_of(blanks, begin);
        words.emplace_back(line.substr(begin, end == line.npos ? end : end - begin));
        begin = end == line.npos ? end : line.find_first_not_of(blanks, end);
    }
    return words;
}

std::string trimmed(std::string_view text) { return std::string(format::detail::trim(text)); }

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts;
    for (;;) {
        const auto end = text.find(at);
        if (auto part = trimmed(text.substr(0, end)); !part.empty()) parts.push_back(std::move(part));
        if (end == text.npos) return parts;
        text = text.substr(end + 1);
    }
}

bool is_v6(std::string_view address) { return address.find(':') != address.npos; }

model::InterfaceIp parse_ip(std::string_view text) {
    model::InterfaceIp ip;
    const auto slash = text.find('/');
    ip.address = std::string(text.substr(0, slash));
    if (slash != text.npos) ip.prefix = to_number(text.substr(slash + 1));
    return ip;
}

std::string with_prefix(const model::InterfaceIp& ip) {
    constexpr unsigned host_v4 = 32, host_v6 = 128;
    return fmt::format("{}/{}", ip.address, ip.prefix.value_or(is_v6(ip.address) ? host_v6 : host_v4));
}

namespace {

model::InterfaceProtocol& protocol_of(HostInterface& interface, std::string_view address) {
    return interface.protocol(is_v6(address) ? AddressFamily::ipv6 : AddressFamily::ipv4);
}

} // namespace

void add_address(HostInterface& interface, std::string_view text) {
    if (text.empty()) return;
    auto& ips = protocol_of(interface, text).ips;
    auto ip = parse_ip(text);
    if (std::ranges::find(ips, ip.address, &model::InterfaceIp::address) == ips.end()) ips.push_back(std::move(ip));
}

void add_gateway(HostInterface& interface, std::string_view text, std::optional<unsigned> metric) {
    if (text.empty()) return;
    model::InterfaceRoute route;
    route.gateway = std::string(text);
    route.metric = metric;
    protocol_of(interface, text).routes.push_back(std::move(route));
}

void add_route(HostInterface& interface, std::string_view destination, std::string_view gateway,
               std::optional<unsigned> metric) {
    if (destination == "default" || destination.ends_with("/0")) return add_gateway(interface, gateway, metric);
    auto ip = parse_ip(destination);
    model::InterfaceRoute route;
    route.address = std::move(ip.address);
    route.prefix = ip.prefix;
    route.gateway = std::string(gateway);
    route.metric = metric;
    protocol_of(interface, gateway).routes.push_back(std::move(route));
}

bool is_default(const model::InterfaceRoute& route) { return !route.address; }

std::string destination_of(const model::InterfaceRoute& route) {
    if (is_default(route)) return is_v6(route.gateway) ? "::/0" : "0.0.0.0/0";
    model::InterfaceIp ip;
    ip.address = *route.address;
    ip.prefix = route.prefix;
    return with_prefix(ip);
}

Presence presence_of(const FilePlan& files, bool configures, std::initializer_list<std::string_view> runs) {
    if (configures) return Presence::in_use;
    const bool there = std::ranges::any_of(runs, [&](std::string_view path) { return files.exists(path); });
    return there ? Presence::there : Presence::missing;
}

std::optional<unsigned> to_number(std::string_view text) { return parse_number<unsigned>(text); }

std::optional<model::BondMode> to_bond_mode(std::string_view text) {
    constexpr unsigned modes = 7;
    if (const auto number = to_number(text); number && *number < modes) return static_cast<model::BondMode>(*number);
    return format::from_word<model::BondMode>(text);
}

bool to_truth(std::string_view text) { return text == "yes" || text == "on" || text == "true" || text == "1"; }

HostInterface& named(std::vector<HostInterface>& all, const std::string& name, HostInterfaceType type) {
    const auto found = std::ranges::find(all, name, &HostInterface::name);
    if (found != all.end()) return *found;
    auto& interface = all.emplace_back();
    interface.name = name;
    interface.type = type;
    interface.start = model::StartMode::none;
    return interface;
}

void join(std::vector<HostInterface>& all, const std::vector<Membership>& memberships) {
    // Bonds first: a bridge may have one as its port.
    for (const auto type : {HostInterfaceType::bond, HostInterfaceType::bridge})
        for (const auto& [master, member] : memberships) {
            const auto found = std::ranges::find(all, master, &HostInterface::name);
            if (found == all.end() || found->type != type || std::ranges::count(found->members(), member)) continue;
            const auto below = std::ranges::find(all, member, &HostInterface::name);
            HostInterface bare;
            bare.name = member;
            const auto& what = below == all.end() ? bare : *below;
            if (type == HostInterfaceType::bridge && what.type != HostInterfaceType::bridge) {
                found->bridge->ports.push_back(to_port(what));
            } else if (type == HostInterfaceType::bond && what.type == HostInterfaceType::ethernet) {
                auto& in_bond = found->bond->members.emplace_back();
                in_bond.name = what.name;
                in_bond.mac = what.mac;
            }
        }
}

std::optional<std::string> bridge_mac(const HostInterface& bridge) {
    if (bridge.mac) return bridge.mac;
    for (const auto& port : bridge.bridge->ports)
        if (port.mac) return port.mac;
    return std::nullopt;
}

std::vector<HostInterface> members_of(const HostInterface& interface) {
    std::vector<HostInterface> below;
    if (interface.bridge)
        for (const auto& port : interface.bridge->ports) below.push_back(from_port(port));
    if (interface.bond)
        for (const auto& member : interface.bond->members) {
            auto& card = below.emplace_back();
            card.name = member.name;
            card.mac = member.mac;
        }
    for (auto& each : below) each.start = interface.start;
    return below;
}

} // namespace domus::host::backends
