// Whether this host can run virtual machines, and what mends it.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "host/doctor.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

void doctor(Call& call) {
    constexpr std::string_view words[]{"good", "warning", "failed"};
    constexpr std::string_view marks[]{"ok     ", "warning", "FAILED "};
    boost::json::array all;
    bool failed = false;
    for (const auto& check : host::examine_host()) {
        const auto index = static_cast<std::size_t>(check.verdict);
        failed |= check.verdict == host::Verdict::failed;
        call.out.text("{}  {:<20} {}\n", marks[index], check.subject, check.found);
        if (check.verdict != host::Verdict::good && !check.hint.empty()) call.out.text("{:31}-> {}\n", "", check.hint);
        all.push_back({{"subject", check.subject}, {"verdict", words[index]}, {"found", check.found}, {"hint", check.hint}});
    }
    call.out.result(std::move(all));
    if (failed) {
        call.out.finish();
        throw Failure::silent();
    }
}

} // namespace

std::vector<Command> doctor_commands() {
    return {{.name = "doctor", .group = Group::host, .summary = "examine this host", .about = "Looks at what virtual machines need of the host, and names the command that mends each point.",
             .run = doctor, .connects = false}};
}

} // namespace domus::cli
