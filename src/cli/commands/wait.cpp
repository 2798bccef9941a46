// Waiting until a domain is in a state, has an address or runs an agent.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::cli {

namespace {

constexpr std::string_view goals = "running|paused|shutdown|shutoff|crashed|pmsuspended|ip|agent";

/// What was found, or nothing yet and why.
struct Look {
    std::optional<std::string> found;
    std::string instead;
};

std::string_view state_of_goal(std::string_view goal) {
    return goal == "shutdown" || goal == "shutoff" ? std::string_view("shut off") : goal;
}

bool needs_guest(std::string_view goal) { return goal == "ip" || goal == "agent"; }

Look look_for_agent(Call& call, const wire::Domain& domain) {
    const auto document = parse_xml(domain_xml(call, domain));
    const auto target = document.select_node("/domain/devices/channel/target[@name='org.qemu.guest_agent.0']").node();
    if (std::string_view(target.attribute("state").value()) == "connected") return {"connected", {}};
    return {{}, target ? "its agent is not connected" : "it has no channel for an agent"};
}

Look look_for_address(Call& call, const wire::Domain& domain) {
    constexpr std::uint32_t from_leases = 0, from_neighbours = 2;
    for (const auto source : {from_leases, from_neighbours})
        for (const auto& interface :
             call.server()
                 .call<Procedure::domain_interface_addresses>({.dom = domain, .source = source, .flags = 0})
                 .ifaces)
            for (const auto& address : interface.addrs) return {address.addr, {}};
    return {{}, "it has no address"};
}

Look look_for_goal(Call& call, const wire::Domain& domain, std::string_view goal) {
    auto& server = call.server();
    const auto now = server.call<Procedure::domain_lookup_by_uuid>({.uuid = domain.uuid}).dom;
    const auto state = server.call<Procedure::domain_get_state>({.dom = now, .flags = 0}).state;
    const std::string word(domain_state_word(state));
    if (!needs_guest(goal))
        return word == state_of_goal(goal) ? Look{word, {}} : Look{{}, fmt::format("it is {}", word)};
    if (is_shut_off(state))
        throw Failure(fmt::format("Domain '{}' is shut off", domain.name))
            .hint(fmt::format("start it with 'domus start {}'", domain.name));
    return goal == "agent" ? look_for_agent(call, now) : look_for_address(call, now);
}

/// A transient domain that is shut off is gone.
Look look_once(Call& call, const wire::Domain& domain, std::string_view goal) {
    try {
        return look_for_goal(call, domain, goal);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::no_domain && state_of_goal(goal) == "shut off") return {"gone", {}};
        throw Failure(fmt::format("Failed to wait for domain '{}'", domain.name), error);
    }
}

Failure timed_out(const std::string& domain, std::string_view goal, std::uint64_t seconds, const std::string& instead) {
    Failure failure(fmt::format("Domain '{}' did not reach '{}' within {} s: {}", domain, goal, seconds, instead),
                    Error(ErrorCode::operation_timeout, ErrorDomain::none, "Timed out during operation"));
    if (state_of_goal(goal) == "shut off")
        return std::move(failure).hint(
            fmt::format("a guest shuts down only if it handles the power button (acpid, systemd-logind) or runs an "
                        "agent; 'domus destroy {}' stops it at once",
                        domain));
    if (goal == "running" && instead == "it is paused")
        return std::move(failure).hint(fmt::format("resume it with 'domus resume {}'", domain));
    if (goal == "running") return std::move(failure).hint(fmt::format("start it with 'domus start {}'", domain));
    return failure;
}

void check_goal(std::string_view goal) {
    const auto bounded = fmt::format("|{}|", goals);
    if (bounded.find(fmt::format("|{}|", goal)) == std::string::npos || goal.find('|') != std::string_view::npos)
        throw Failure(fmt::format("cannot wait for '{}'", goal))
            .hint("states: running, paused, shutdown (or shutoff), crashed, pmsuspended; or ip, agent");
}

void wait(Call& call) {
    constexpr std::uint64_t default_seconds = 60, most_seconds = 1u << 30;
    const auto goal = call.args.required("for");
    check_goal(goal);
    const auto seconds = call.args.natural("timeout", most_seconds).value_or(default_seconds);
    const auto domain = find_domain(call);
    const auto end = client::Clock::now() + std::chrono::seconds(seconds);
    for (;;) {
        const auto seen = look_once(call, domain, goal);
        if (seen.found) {
            if (goal == "ip") call.out.text("{}\n", *seen.found);
            call.out.result({{"domain", domain.name}, {"for", goal}, {"found", *seen.found}});
            return;
        }
        if (client::Clock::now() >= end) throw timed_out(domain.name, goal, seconds, seen.instead);
        constexpr auto pause = std::chrono::milliseconds(200);
        call.server().run_until([] { return false; }, std::min(end, client::Clock::now() + pause));
    }
}

} // namespace

std::vector<Command> wait_commands() {
    return {{.name = "wait",
             .summary = "wait until a domain reaches a state",
             .about = "Waits for a state ('domus wait web running'), for an address of the guest (ip), which is then "
                      "printed, or for the agent in the guest (agent). Returns at once if the domain is in that state "
                      "already. The exit status is 0 when it was reached, and 1 when the timeout passed, when the "
                      "domain does not exist, or when it is shut off while you wait for an address or an agent.",
             .options = {the_domain(), required(one_of("for", goals, "state or thing to wait for")),
                         named(number("timeout", "seconds to wait; 60 by default"))},
             .run = wait}};
}

} // namespace domus::cli
