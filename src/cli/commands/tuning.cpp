// Memory and processors of domains.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

namespace domus::cli {

namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint32_t of_maximum = 4;

void set_memory(Call& call, bool maximum) {
    const auto flags = affect_flags(call.args);
    const auto size = call.args.size("size", kib);
    const auto domain = find_domain(call);
    doing(maximum ? "Unable to change MaxMemorySize" : "Unable to change memory size", [&] {
        call.server().call<Procedure::domain_set_memory_flags>(
            {.dom = domain, .memory = size.value_or(0) / kib, .flags = flags | (maximum ? of_maximum : 0)});
    });
    call.out.result({{"domain", domain.name}, {"kib", size.value_or(0) / kib}});
}

void setmem(Call& call) { set_memory(call, false); }
void setmaxmem(Call& call) { set_memory(call, true); }

void setvcpus(Call& call) {
    constexpr std::uint32_t of_guest = 8, hotpluggable = 16;
    const auto& args = call.args;
    args.exclusive("guest", "config");
    args.requires_option("maximum", "config");
    auto flags = affect_flags(args);
    if (args.flag("maximum")) flags |= of_maximum;
    if (args.flag("guest")) flags |= of_guest;
    if (args.flag("hotpluggable")) flags |= hotpluggable;
    const auto count = call.args.natural("count", 1u << 16);
    const auto domain = find_domain(call);
    call.server().call<Procedure::domain_set_vcpus_flags>(
        {.dom = domain, .nvcpus = static_cast<std::uint32_t>(count.value_or(0)), .flags = flags});
    call.out.result({{"domain", domain.name}, {"vcpus", count.value_or(0)}});
}

} // namespace

std::vector<Command> tuning_commands() {
    const auto config = flag("config", "affect the next boot");
    const auto live = flag("live", "affect the running domain");
    const auto current = flag("current", "affect the running domain, or the next boot if it is shut off");
    return {
        {.name = "setmem",
         .summary = "change a domain's memory",
         .about = "Takes memory from a running guest or returns it, up to the maximum.",
         .options = {the_domain(), required(number("size", "new amount, in KiB unless it has a unit")), config, live,
                     current},
         .run = setmem},
        {.name = "setmaxmem",
         .summary = "change a domain's maximum memory",
         .options = {the_domain(), required(number("size", "new amount, in KiB unless it has a unit")), config, live,
                     current},
         .run = setmaxmem},
        {.name = "setvcpus",
         .summary = "change a domain's number of virtual CPUs",
         .options = {the_domain(), required(number("count", "number of virtual CPUs")),
                     flag("maximum", "set the maximum of the next boot"), config, live, current,
                     flag("guest", "let the guest's agent take CPUs online or offline"),
                     flag("hotpluggable", "make added CPUs removable")},
         .run = setvcpus},
    };
}

} // namespace domus::cli
