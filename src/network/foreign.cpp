#include "network/foreign.hpp"

#include <fmt/format.h>

#include <string_view>

namespace domus::network {

namespace {

bool drops_ours(const nft::Chain& chain) {
    return chain.policy == "drop" && chain.type == "filter" && (chain.family == "ip" || chain.family == "inet")
           && !chain.table.starts_with("domus_");
}

std::string mark(const std::string& bridge) { return fmt::format("domus {}", bridge); }

} // namespace

std::string foreign_acceptance(const nft::Ruleset& ruleset, const std::string& bridge) {
    // One comparison a rule and no sets: iptables must be able to read the table afterwards.
    constexpr std::string_view forward[]{"iifname \"{}\"", "oifname \"{}\""};
    constexpr std::string_view input[]{"iifname \"{}\" udp dport 67", "iifname \"{}\" udp dport 53",
                                       "iifname \"{}\" tcp dport 53"};
    std::string script;
    for (const auto& chain : ruleset.chains) {
        if (!drops_ours(chain)) continue;
        const auto add = [&](std::string_view match) {
            script += fmt::format("insert rule {} {} {} {} counter accept comment \"{}\"\n", chain.family, chain.table,
                                  chain.name, fmt::format(fmt::runtime(match), bridge), mark(bridge));
        };
        if (chain.hook == "forward")
            for (const auto match : forward) add(match);
        if (chain.hook == "input")
            for (const auto match : input) add(match);
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
