// Whether this host can run virtual machines, and what mends it.
#include "host/doctor.hpp"
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

/// What the daemon reports of its domains; nothing where none answers.
void add_domains(Call& call, std::vector<host::Check>& checks) {
    try {
        auto& server = call.server();
        for (const auto& domain :
             server.call<Procedure::connect_list_all_domains>({.need_results = 1, .flags = 0}).domains)
            for (auto& message : server.call<Procedure::domain_get_messages>({.dom = domain, .flags = 0}).msgs)
                checks.push_back({"domain " + domain.name, host::Verdict::warning, std::move(message), {}});
    } catch (const std::exception&) {
        // a host without a daemon is examined too
    }
}

void doctor(Call& call) {
    constexpr std::string_view words[]{"good", "warning", "failed"};
    constexpr std::string_view marks[]{"ok     ", "warning", "FAILED "};
    boost::json::array all;
    bool failed = false;
    auto checks = host::examine_host(call.args.text("root").value_or("/"));
    add_domains(call, checks);
    for (const auto& check : checks) {
        const auto index = static_cast<std::size_t>(check.verdict);
        failed |= check.verdict == host::Verdict::failed;
        call.out.text("{}  {:<20} {}\n", marks[index], check.subject, check.found);
        if (check.verdict != host::Verdict::good && !check.hint.empty()) call.out.text("{:31}-> {}\n", "", check.hint);
        all.push_back(
            {{"subject", check.subject}, {"verdict", words[index]}, {"found", check.found}, {"hint", check.hint}});
    }
    call.out.result(std::move(all));
    if (failed) {
        call.out.finish();
        throw Failure::silent();
    }
}

} // namespace

std::vector<Command> doctor_commands() {
    return {{.name = "doctor",
             .group = Group::host,
             .summary = "check whether this host is ready for virtual machines",
             .about = "Checks what virtual machines need from the host, and names the command that fixes each problem. "
                      "Lists damaged files that the daemon has set aside.",
             .options = {text("root", "root folder of the daemon's paths, as for 'domusd --root'", Complete::folder)},
             .run = doctor,
             .connects = false}};
}

} // namespace domus::cli
