// Starting, stopping and pausing domains.
#include "cli/commands/commands.hpp"
#include "cli/commands/console.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t start_paused = 1, start_autodestroy = 2, start_bypass_cache = 4, start_force_boot = 8,
                        start_validate = 16, start_reset_nvram = 32;

std::uint32_t start_flags(const Arguments& args) {
    std::uint32_t flags = 0;
    if (args.flag("paused")) flags |= start_paused;
    if (args.flag("autodestroy")) flags |= start_autodestroy;
    if (args.flag("bypass-cache")) flags |= start_bypass_cache;
    if (args.flag("force-boot")) flags |= start_force_boot;
    if (args.flag("validate")) flags |= start_validate;
    if (args.flag("reset-nvram")) flags |= start_reset_nvram;
    return flags;
}

void start(Call& call) {
    const auto domain = find_domain(call, "domain", by_name | by_uuid);
    if (domain.id != no_id) fail("Domain is already active");
    const auto flags = start_flags(call.args);
    doing(fmt::format("Failed to start domain '{}'", domain.name), [&] {
        if (flags == 0)
            call.server().call<Procedure::domain_create>({.dom = domain});
        else
            call.server().call<Procedure::domain_create_with_flags>({.dom = domain, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "Domain '{}' started", domain.name);
    if (call.args.flag("console")) run_console(call, domain, {});
}

void create(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto domain = doing(fmt::format("Failed to create domain from {}", file), [&] {
        return call.server().call<Procedure::domain_create_xml>({.xml_desc = xml, .flags = start_flags(call.args)}).dom;
    });
    call.out.done({{"domain", domain.name}, {"uuid", domain.uuid.text()}, {"file", file}},
                  "Domain '{}' created from {}", domain.name, file);
    if (call.args.flag("console")) run_console(call, domain, {});
}

/// "acpi,agent" as the protocol's flags.
std::uint32_t mode_flags(const Arguments& args) {
    constexpr std::string_view names[]{"acpi", "agent", "initctl", "signal", "paravirt"};
    auto text = args.text("mode");
    if (!text) return 0;
    std::uint32_t flags = 0;
    std::string_view left = *text;
    while (true) {
        const auto name = left.substr(0, left.find(','));
        const auto found = std::ranges::find(names, name);
        if (found == std::end(names))
            fail("Unknown mode {} value, expecting 'acpi', 'agent', 'initctl', 'signal', or 'paravirt'", name);
        flags |= 1u << (found - std::begin(names));
        if (name.size() == left.size()) return flags;
        left.remove_prefix(name.size() + 1);
    }
}

void shutdown(Call& call) {
    const auto flags = mode_flags(call.args);
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to shutdown domain '{}'", domain.name), [&] {
        if (flags == 0)
            call.server().call<Procedure::domain_shutdown>({.dom = domain});
        else
            call.server().call<Procedure::domain_shutdown_flags>({.dom = domain, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "Domain '{}' is being shutdown", domain.name);
}

void reboot(Call& call) {
    const auto flags = mode_flags(call.args);
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to reboot domain '{}'", domain.name),
          [&] { call.server().call<Procedure::domain_reboot>({.dom = domain, .flags = flags}); });
    call.out.done({{"domain", domain.name}}, "Domain '{}' is being rebooted", domain.name);
}

void reset(Call& call) {
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to reset domain '{}'", domain.name),
          [&] { call.server().call<Procedure::domain_reset>({.dom = domain, .flags = 0}); });
    call.out.done({{"domain", domain.name}}, "Domain '{}' was reset", domain.name);
}

void destroy(Call& call) {
    constexpr std::uint32_t graceful = 1, remove_logs = 2;
    const auto domain = find_domain(call);
    std::uint32_t flags = 0;
    if (call.args.flag("graceful")) flags |= graceful;
    if (call.args.flag("remove-logs")) flags |= remove_logs;
    doing(fmt::format("Failed to destroy domain '{}'", domain.name), [&] {
        if (flags == 0)
            call.server().call<Procedure::domain_destroy>({.dom = domain});
        else
            call.server().call<Procedure::domain_destroy_flags>({.dom = domain, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "Domain '{}' destroyed", domain.name);
}

void suspend(Call& call) {
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to suspend domain '{}'", domain.name),
          [&] { call.server().call<Procedure::domain_suspend>({.dom = domain}); });
    call.out.done({{"domain", domain.name}}, "Domain '{}' suspended", domain.name);
}

void resume(Call& call) {
    const auto domain = find_domain(call);
    doing(fmt::format("Failed to resume domain '{}'", domain.name),
          [&] { call.server().call<Procedure::domain_resume>({.dom = domain}); });
    call.out.done({{"domain", domain.name}}, "Domain '{}' resumed", domain.name);
}

void autostart(Call& call) {
    const auto domain = find_domain(call);
    const bool on = !call.args.flag("disable");
    doing(fmt::format(fmt::runtime(on ? "Failed to mark domain '{}' as autostarted"
                                      : "Failed to unmark domain '{}' as autostarted"),
                      domain.name),
          [&] { call.server().call<Procedure::domain_set_autostart>({.dom = domain, .autostart = on ? 1 : 0}); });
    call.out.done({{"domain", domain.name}, {"autostart", on}}, "Domain '{}' {} as autostarted", domain.name,
                  on ? "marked" : "unmarked");
}

constexpr std::string_view modes = "acpi|agent|initctl|signal|paravirt";

} // namespace

std::vector<Command> lifecycle_commands() {
    return {
        {.name = "start",
         .summary = "start an inactive domain",
         .about = "Starts a domain that is defined and shut off. If its memory was saved by 'managedsave', it goes on "
                  "from there; otherwise it boots.",
         .options = {the_domain(Complete::stopped_domain), flag("console", "then connect to its console"),
                     flag("paused", "create it, but let no CPU run yet"),
                     flag("autodestroy", "destroy it when this connection ends"),
                     flag("bypass-cache", "read saved memory without the host's file cache"),
                     flag("force-boot", "forget saved memory and boot"),
                     flag("reset-nvram", "give the firmware's variables their first values again")},
         .run = start},
        {.name = "create",
         .summary = "start a domain from an XML file",
         .about =
             "Starts a domain that exists only while it runs. If one of that name is defined, this is its next run.",
         .options = {required(text("file", "file with the domain's XML", Complete::file)),
                     flag("console", "then connect to its console"),
                     flag("paused", "create it, but let no CPU run yet"),
                     flag("autodestroy", "destroy it when this connection ends"),
                     flag("validate", "judge the XML by the schema first"),
                     flag("reset-nvram", "give the firmware's variables their first values again")},
         .run = create},
        {.name = "shutdown",
         .summary = "ask a domain to shut down",
         .about = "Asks the guest to end, as its power button would, or through its agent. It returns at once; 'wait' "
                  "waits for the end.",
         .options = {the_domain(Complete::running_domain),
                     one_of("mode", modes, "how to ask; several with commas: acpi|agent|initctl|signal|paravirt")},
         .run = shutdown},
        {.name = "reboot",
         .summary = "ask a domain to reboot",
         .about = "Asks the guest to end and start again.",
         .options = {the_domain(Complete::running_domain),
                     one_of("mode", modes, "how to ask; several with commas: acpi|agent|initctl|signal|paravirt")},
         .run = reboot},
        {.name = "reset",
         .summary = "press a domain's reset button",
         .about = "Resets the machine at once. The guest is not asked.",
         .options = {the_domain(Complete::running_domain)},
         .run = reset},
        {.name = "destroy",
         .summary = "stop a domain at once",
         .about = "Takes the power away. Disks and definition stay.",
         .options = {the_domain(Complete::running_domain), flag("graceful", "only if it ends by itself when told to"),
                     flag("remove-logs", "remove its log as well")},
         .run = destroy},
        {.name = "suspend",
         .summary = "pause a domain",
         .about = "Stops its virtual CPUs. Memory stays as it is; 'resume' goes on from there.",
         .options = {the_domain(Complete::running_domain)},
         .run = suspend},
        {.name = "resume",
         .summary = "let a paused domain go on",
         .options = {the_domain(Complete::running_domain)},
         .run = resume},
        {.name = "autostart",
         .summary = "start a domain with the host",
         .about = "The daemon starts the domain when the host starts.",
         .options = {the_domain(), flag("disable", "do not start it any more")},
         .run = autostart},
    };
}

} // namespace domus::cli
