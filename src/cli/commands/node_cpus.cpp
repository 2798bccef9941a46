// The host's CPUs: which are online, and which of them a domain's virtual CPUs may use.
#include "cli/commands/commands.hpp"
#include "cli/cpu_map.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t pin_live = 1;

void nodecpumap(Call& call) {
    const auto map = doing("Unable to get cpu map", [&] {
        return call.server().call<Procedure::node_get_cpu_map>({.need_map = 1, .need_online = 1, .flags = 0});
    });
    const auto count = static_cast<std::size_t>(std::max(map.ret, 0));
    const auto& bytes = map.cpumap.bytes;
    const bool pretty = call.args.flag("pretty");
    call.out.fields({{"CPUs present:", "present", {std::to_string(count), count}},
                     {"CPUs online:", "online", {std::to_string(map.online), map.online}},
                     {"CPU map:",
                      "cpus",
                      {pretty ? cpu_ranges(bytes, count) : cpu_letters(bytes, count), cpu_numbers(bytes, count)}}});
}

std::size_t host_cpus(Call& call) {
    const auto map = call.server().call<Procedure::node_get_cpu_map>({.need_map = 0, .need_online = 0, .flags = 0});
    return static_cast<std::size_t>(std::max(map.ret, 0));
}

/// How many virtual CPUs the domain has at most, running or defined.
std::size_t vcpus_at_most(Call& call, const wire::Domain& domain, std::uint32_t flags) {
    constexpr std::uint32_t maximum = 4;
    if (flags == pin_live && domain.id == no_id)
        throw Failure("cannot get vcpupin for offline domain")
            .hint(fmt::format("start it with 'domus start {}', or use --config", domain.name));
    const auto count =
        call.server().call<Procedure::domain_get_vcpus_flags>({.dom = domain, .flags = flags | maximum}).num;
    return static_cast<std::size_t>(std::max(count, 0));
}

void show_vcpu_pins(Call& call, const wire::Domain& domain, std::uint32_t flags) {
    const auto only = call.args.natural("vcpu", 1u << 16);
    const auto vcpus = vcpus_at_most(call, domain, flags);
    if (only && *only >= vcpus)
        fail("vcpu {} is out of range of {} cpu count {}", *only, domain.id == no_id ? "persistent" : "live", vcpus);
    const auto cpus = host_cpus(call);
    const auto length = (cpus + 7) / 8;
    const auto pins =
        call.server().call<Procedure::domain_get_vcpu_pin_info>({.dom = domain,
                                                                 .ncpumaps = static_cast<std::int32_t>(vcpus),
                                                                 .maplen = static_cast<std::int32_t>(length),
                                                                 .flags = flags});
    Table table{.columns = {{"VCPU", "vcpu"}, {"CPU Affinity", "affinity"}}, .rows = {}};
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(pins.num, 0)); ++i) {
        if (only && *only != i) continue;
        const auto map =
            std::string_view(pins.cpumaps.bytes).substr(std::min(i * length, pins.cpumaps.bytes.size()), length);
        table.rows.push_back({{std::to_string(i), i}, {cpu_ranges(map, cpus), cpu_numbers(map, cpus)}});
    }
    call.out.table(table);
}

void pin_vcpu(Call& call, const wire::Domain& domain, const std::string& list, std::uint32_t flags) {
    const auto vcpu = call.args.natural("vcpu", 1u << 16);
    if (!vcpu)
        throw Failure("vcpupin: Missing vCPU number in pin mode.")
            .hint(fmt::format("name the virtual CPU: 'domus vcpupin {} 0 {}'", domain.name, list));
    const auto cpus = host_cpus(call);
    const auto map = parse_cpus(list, cpus);
    if (!map)
        throw Failure(fmt::format("Invalid cpulist '{}'", list))
            .hint(fmt::format("a list is as 0-3,^2 and names CPUs below {}; 'r' stands for all", cpus));
    const bool any = call.args.flag("live") || call.args.flag("config") || call.args.flag("current");
    call.server().call<Procedure::domain_pin_vcpu_flags>(
        {.dom = domain, .vcpu = static_cast<std::uint32_t>(*vcpu), .cpumap = {*map}, .flags = any ? flags : pin_live});
    call.out.result({{"domain", domain.name}, {"vcpu", *vcpu}, {"affinity", cpu_numbers(*map, cpus)}});
}

void vcpupin(Call& call) {
    const auto flags = affect_flags(call.args);
    const auto list = call.args.text("cpulist");
    const auto domain = find_domain(call);
    if (list)
        pin_vcpu(call, domain, *list, flags);
    else
        show_vcpu_pins(call, domain, flags);
}

} // namespace

std::vector<Command> node_cpu_commands() {
    return {
        {.name = "nodecpumap",
         .group = Group::host,
         .summary = "show the host's online CPUs",
         .options = {flag("pretty", "print ranges instead of a letter for each CPU")},
         .run = nodecpumap},
        {.name = "vcpupin",
         .summary = "show or set the host CPUs of a domain's virtual CPUs",
         .about = "Without --cpulist, prints the host CPUs on which each virtual CPU may run.",
         .options = {the_domain(), number("vcpu", "number of the virtual CPU"),
                     text("cpulist", "host CPUs, as 0-3,^2; r for all"), flag("config", "affect the next start"),
                     flag("live", "affect the running domain"),
                     flag("current", "affect the running domain, or the next start if it is shut off")},
         .run = vcpupin},
    };
}

} // namespace domus::cli
