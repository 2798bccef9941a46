#include "network/firewall_service.hpp"

#include "base/log.hpp"
#include "network/admission.hpp"
#include "network/firewall.hpp"
#include "network/foreign.hpp"
#include "network/site.hpp"

namespace domus::network {

namespace {

constexpr auto lane_margin =
    std::chrono::seconds(2); ///< nft's own timeout comes first, which says more than the lane's

} // namespace

Task<> FirewallService::apply_script(std::string script) {
    auto work = [script = std::move(script)] { nft::apply_script(script, timeout); };
    co_await lane_.run(Deadline::in(timeout + lane_margin), std::move(work));
}

Task<nft::Ruleset> FirewallService::list_rules() {
    auto work = [] { return nft::list_ruleset(timeout); };
    auto ruleset = co_await lane_.run(Deadline::in(timeout + lane_margin), std::move(work));
    co_return ruleset;
}

Task<> FirewallService::apply(std::shared_ptr<const model::Network> live) {
    return apply_script(firewall_rules(*live, subnets_of(*live)));
}

Task<> FirewallService::open_foreign_chains(std::shared_ptr<const model::Network> live) {
    const auto& bridge = *live->bridge.name;
    std::exception_ptr trouble;
    try {
        const auto ruleset = co_await list_rules();
        const auto opening = foreign_acceptance(ruleset, bridge, has_ipv6(*live));
        auto script = foreign_removal(ruleset, bridge) + opening; // those of a daemon that died go
        if (script.empty()) co_return;
        co_await apply_script(std::move(script));
        if (!opening.empty())
            log::info("bridge '{}' is let through the chains of others whose policy is to drop", bridge);
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble)
        log::warning("bridge '{}': chains of others may drop what its guests send: {}", bridge, describe(trouble));
}

Task<> FirewallService::remove(std::shared_ptr<const model::Network> live) {
    co_await apply_script(firewall_removal(*live));
    const auto ruleset = co_await list_rules();
    auto script = foreign_removal(ruleset, *live->bridge.name);
    if (!script.empty()) co_await apply_script(std::move(script));
}

} // namespace domus::network
