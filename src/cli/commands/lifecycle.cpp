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
         .summary = "start a defined domain",
         .about = "Starts a domain that is defined and shut off. If 'managedsave' saved its state, it resumes from "
                  "there; otherwise it boots.",
         .options = {the_domain(Complete::stopped_domain), flag("console", "connect to the console afterwards"),
                     flag("paused", "leave the domain paused"),
                     flag("autodestroy", "destroy the domain when this connection closes"),
                     flag("bypass-cache", "read the managed save without the host's file cache"),
                     flag("force-boot", "discard the managed save and boot"),
                     flag("reset-nvram", "reset the firmware's variables")},
         .run = start},
        {.name = "create",
         .summary = "create a transient domain from an XML file",
         .about = "The domain exists only while it runs. If a domain with this name is defined, this run uses the "
                  "given XML.",
         .options = {required(text("file", "file with the domain's XML", Complete::file)),
                     flag("console", "connect to the console afterwards"), flag("paused", "leave the domain paused"),
                     flag("autodestroy", "destroy the domain when this connection closes"),
                     flag("validate", "validate the XML against the schema"),
                     flag("reset-nvram", "reset the firmware's variables")},
         .run = create},
        {.name = "shutdown",
         .summary = "shut down a domain gracefully",
         .about = "Asks the guest to shut down, by its power button or through its agent, and returns at once. 'wait' "
                  "waits for the end.",
         .options = {the_domain(Complete::running_domain),
                     one_of("mode", modes,
                            "how to ask the guest, separated by commas: acpi|agent|initctl|signal|paravirt")},
         .run = shutdown},
        {.name = "reboot",
         .summary = "reboot a domain gracefully",
         .about = "The guest shuts down and boots again.",
         .options = {the_domain(Complete::running_domain),
                     one_of("mode", modes,
                            "how to ask the guest, separated by commas: acpi|agent|initctl|signal|paravirt")},
         .run = reboot},
        {.name = "reset",
         .summary = "reset a domain at once",
         .about = "Works like the reset button: the guest is not asked.",
         .options = {the_domain(Complete::running_domain)},
         .run = reset},
        {.name = "destroy",
         .summary = "stop a domain at once",
         .about = "Works like pulling the power plug. Disks and definition are kept.",
         .options = {the_domain(Complete::running_domain),
                     flag("graceful", "do not kill a domain that does not stop by itself"),
                     flag("remove-logs", "remove the domain's log")},
         .run = destroy},
        {.name = "suspend",
         .summary = "pause a domain",
         .about = "Stops the virtual CPUs. Memory is kept; 'resume' continues.",
         .options = {the_domain(Complete::running_domain)},
         .run = suspend},
        {.name = "resume",
         .summary = "resume a paused domain",
         .options = {the_domain(Complete::running_domain)},
         .run = resume},
        {.name = "autostart",
         .summary = "start a domain when the host boots",
         .about = "The daemon starts the domain when it starts itself, at boot.",
         .options = {the_domain(), flag("disable", "disable autostart")},
         .run = autostart},
    };
}

} // namespace domus::cli
