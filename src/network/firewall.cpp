#include "network/firewall.hpp"

#include <fmt/format.h>

namespace domus::network {

namespace {

std::string table(const model::Network& network) {
    return fmt::format("inet domus_{}", network.bridge.name.value_or(""));
}

/// The device of the host by which packets leave, where the network has only one: <forward dev> or its <interface>.
std::string way_out(const model::Network& network) {
    if (!network.forward) return {};
    const auto& forward = *network.forward;
    return forward.dev ? *forward.dev : forward.interfaces.empty() ? std::string() : forward.interfaces.front().dev;
}

std::string_view family(const Subnet& subnet) { return subnet.address.v6 ? "ip6" : "ip"; }

bool is_translated(const model::Network& network, const Subnet& subnet) {
    if (network.mode() != model::ForwardMode::nat) return false;
    return !subnet.address.v6 || network.forward->nat_ipv6.value_or(false);
}

/// With the addresses and ports of <nat>, or else those of the device that packets leave by.
std::string translation(const model::Forward& forward, const Subnet& subnet) {
    const bool v6 = subnet.address.v6;
    const auto leaving = fmt::format("{0} saddr {1} {0} daddr != {{ {1}, {2} }}", family(subnet), subnet.text(),
                                     v6 ? "ff00::/8" : "224.0.0.0/24, 255.255.255.255");
    const auto ports =
        forward.nat_ports ? fmt::format("{}-{}", forward.nat_ports->start, forward.nat_ports->end) : "1024-65535";
    if (!forward.nat_addresses || v6)
        return fmt::format("    {0} meta l4proto {{ tcp, udp }} masquerade to :{1}\n    {0} masquerade\n", leaving,
                           ports);
    const auto addresses = fmt::format("{}-{}", forward.nat_addresses->start, forward.nat_addresses->end);
    return fmt::format("    {0} meta l4proto {{ tcp, udp }} snat ip to {1}:{2}\n    {0} snat ip to {1}\n", leaving,
                       addresses, ports);
}

} // namespace

std::string firewall_removal(const model::Network& network) {
    // Adding it first makes the deletion succeed whether it was there or not.
    return fmt::format("add table {0}\ndelete table {0}\n", table(network));
}

std::string firewall_rules(const model::Network& network, const std::vector<Subnet>& subnets) {
    using Mode = model::ForwardMode;
    const auto mode = network.mode();
    const auto bridge = network.bridge.name.value_or("");
    const auto device = way_out(network);
    const auto out = device.empty() ? std::string() : fmt::format("oifname \"{}\" ", device);
    const auto in = device.empty() ? std::string() : fmt::format("iifname \"{}\" ", device);
    auto script = firewall_removal(network);
    if (mode == Mode::open) return script;
    script +=
        fmt::format("table {} {{\n  chain forward {{\n    type filter hook forward priority filter; policy accept;\n",
                    table(network));
    script += fmt::format("    iifname \"{0}\" oifname \"{0}\" accept\n", bridge);
    for (const auto& subnet : subnets) {
        if (mode == Mode::none) break;
        const auto* const state = is_translated(network, subnet) ? "ct state established,related " : "";
        const auto ip = family(subnet);
        const auto text = subnet.text();
        script += fmt::format("    {}oifname \"{}\" {} daddr {} {}accept\n", in, bridge, ip, text, state);
        script += fmt::format("    iifname \"{}\" {}{} saddr {} accept\n", bridge, out, ip, text);
    }
    script += fmt::format("    oifname \"{0}\" reject\n    iifname \"{0}\" reject\n  }}\n", bridge);
    if (mode == Mode::nat) {
        script += "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n";
        for (const auto& subnet : subnets)
            if (is_translated(network, subnet)) script += translation(*network.forward, subnet);
        script += "  }\n";
    }
    return script + "}\n";
}

} // namespace domus::network
