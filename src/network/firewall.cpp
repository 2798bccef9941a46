#include "network/firewall.hpp"

#include <fmt/format.h>

namespace domus::network {

namespace {

std::string table(const model::Network& network) { return fmt::format("inet domus_{}", network.bridge.name.value_or("")); }

std::string masquerade(const Subnet& subnet) {
    const auto net = subnet.text();
    return fmt::format("    ip saddr {0} ip daddr != {{ {0}, 224.0.0.0/24, 255.255.255.255 }} meta l4proto {{ tcp, udp }} masquerade to :1024-65535\n"
                       "    ip saddr {0} ip daddr != {{ {0}, 224.0.0.0/24, 255.255.255.255 }} masquerade\n", net);
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
    const auto out = network.forward && network.forward->dev ? fmt::format("oifname \"{}\" ", *network.forward->dev) : std::string();
    const auto in = network.forward && network.forward->dev ? fmt::format("iifname \"{}\" ", *network.forward->dev) : std::string();
    auto script = firewall_removal(network);
    if (mode == Mode::open) return script;
    script += fmt::format("table {} {{\n  chain forward {{\n    type filter hook forward priority filter; policy accept;\n", table(network));
    script += fmt::format("    iifname \"{0}\" oifname \"{0}\" accept\n", bridge);
    for (const auto& subnet : subnets) {
        if (mode == Mode::none) break;
        const auto state = mode == Mode::nat ? "ct state established,related " : "";
        script += fmt::format("    {}oifname \"{}\" ip daddr {} {}accept\n", in, bridge, subnet.text(), state);
        script += fmt::format("    iifname \"{}\" {}ip saddr {} accept\n", bridge, out, subnet.text());
    }
    script += fmt::format("    oifname \"{0}\" reject\n    iifname \"{0}\" reject\n  }}\n", bridge);
    if (mode == Mode::nat) {
        script += "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n";
        for (const auto& subnet : subnets) script += masquerade(subnet);
        script += "  }\n";
    }
    return script + "}\n";
}

} // namespace domus::network
