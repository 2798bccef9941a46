#include "network/foreign.hpp"

#include "base/error.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <string_view>

namespace domus::network {

namespace {

namespace json = boost::json;

std::string_view text(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

/// Calls visit with each object of the kind ("chain", "rule") in libnftables-json(5).
template <class Visit> void each(const std::string& ruleset, std::string_view kind, const Visit& visit) {
    boost::system::error_code failure;
    const auto document = json::parse(ruleset, failure);
    const auto* top = failure ? nullptr : document.if_object();
    const auto* list = top ? top->if_contains("nftables") : nullptr;
    if (!list || !list->is_array())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "nft's list of rules cannot be read");
    for (const auto& entry : list->get_array())
        if (const auto* object = entry.if_object())
            if (const auto* found = object->if_contains(kind); found && found->is_object()) visit(found->get_object());
}

bool drops_ours(const json::object& chain) {
    const auto family = text(chain, "family");
    return text(chain, "policy") == "drop" && text(chain, "type") == "filter" && (family == "ip" || family == "inet")
           && !text(chain, "table").starts_with("domus_");
}

std::string mark(const std::string& bridge) { return fmt::format("domus {}", bridge); }

} // namespace

std::string foreign_acceptance(const std::string& ruleset, const std::string& bridge) {
    // One comparison a rule and no sets: iptables must be able to read the table afterwards.
    constexpr std::string_view forward[]{"iifname \"{}\"", "oifname \"{}\""};
    constexpr std::string_view input[]{"iifname \"{}\" udp dport 67", "iifname \"{}\" udp dport 53",
                                       "iifname \"{}\" tcp dport 53"};
    std::string script;
    each(ruleset, "chain", [&](const json::object& chain) {
        if (!drops_ours(chain)) return;
        const auto add = [&](std::string_view match) {
            script += fmt::format("insert rule {} {} {} {} counter accept comment \"{}\"\n", text(chain, "family"),
                                  text(chain, "table"), text(chain, "name"), fmt::format(fmt::runtime(match), bridge),
                                  mark(bridge));
        };
        if (text(chain, "hook") == "forward")
            for (const auto match : forward) add(match);
        if (text(chain, "hook") == "input")
            for (const auto match : input) add(match);
    });
    return script;
}

std::string foreign_removal(const std::string& ruleset, const std::string& bridge) {
    std::string script;
    each(ruleset, "rule", [&](const json::object& rule) {
        const auto* handle = rule.if_contains("handle");
        if (text(rule, "comment") == mark(bridge) && handle)
            script += fmt::format("delete rule {} {} {} handle {}\n", text(rule, "family"), text(rule, "table"),
                                  text(rule, "chain"), handle->to_number<std::uint64_t>());
    });
    return script;
}

} // namespace domus::network
