#include "network/foreign.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace domus::network {

namespace {

bool drops_ours(const nft::Chain& chain, bool v6) {
    const bool of_family = chain.family == "ip" || chain.family == "inet" || (v6 && chain.family == "ip6");
    return chain.policy == "drop" && chain.type == "filter" && of_family && !chain.table.starts_with("domus_");
}

std::string mark(const std::string& bridge) { return fmt::format("domus {}", bridge); }

/// What must come through a chain of that hook. One comparison a rule and no sets: iptables must be able to read the table
/// afterwards.
std::vector<std::string_view> matches_for(const nft::Chain& chain, bool v6) {
    std::vector<std::string_view> matches;
    if (chain.hook == "forward") return {"iifname \"{}\"", "oifname \"{}\""};
    if (chain.hook != "input") return {};
    if (chain.family != "ip6") matches.push_back("iifname \"{}\" udp dport 67");
    if (v6 && chain.family != "ip") { // DHCPv6, and neighbours and routers that are looked for
        matches.push_back("iifname \"{}\" udp dport 547");
        matches.push_back("iifname \"{}\" meta l4proto ipv6-icmp");
    }
    matches.push_back("iifname \"{}\" udp dport 53");
    matches.push_back("iifname \"{}\" tcp dport 53");
    return matches;
}

} // namespace

std::string foreign_acceptance(const nft::Ruleset& ruleset, const std::string& bridge, bool v6) {
    std::string script;
    for (const auto& chain : ruleset.chains) {
        if (!drops_ours(chain, v6)) continue;
        for (const auto match : matches_for(chain, v6))
            script += fmt::format("insert rule {} {} {} {} counter accept comment \"{}\"\n", chain.family, chain.table,
                                  chain.name, fmt::format(fmt::runtime(match), bridge), mark(bridge));
    }
    return script;
}

std::string foreign_removal(const nft::Ruleset& ruleset, const std::string& bridge) {
    std::string script;
    for (const auto& rule : ruleset.rules)
        if (rule.comment == mark(bridge) && rule.handle != 0)
            script += fmt::format("delete rule {} {} {} handle {}\n", rule.family, rule.table, rule.chain, rule.handle);
    return script;
}

} // namespace domus::network
