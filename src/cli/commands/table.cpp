#include "cli/commands/commands.hpp"

#include <algorithm>
#include <iterator>

namespace domus::cli {

const std::vector<Command>& command_table() {
    static const std::vector<Command> table = [] {
        std::vector<Command> all;
        for (const auto part : {lifecycle_commands,  definition_commands,
                                save_commands,       snapshot_commands,
                                attach_commands,     console_commands,
                                tuning_commands,     metadata_commands,
                                display_commands,    list_commands,
                                monitor_commands,    device_list_commands,
                                statistics_commands, event_commands,
                                wait_commands,       host_commands,
                                cpu_commands,        network_commands,
                                pool_commands,       volume_commands,
                                image_commands,      secret_commands,
                                shell_commands,      doctor_commands,
                                import_commands,     disk_statistics_commands,
                                control_commands,    block_commands,
                                node_cpu_commands,   native_commands,
                                interface_commands,  network_event_commands,
                                checkpoint_commands, nwfilter_commands,
                                job_commands}) {
            auto some = part();
            std::ranges::move(some, std::back_inserter(all));
        }
        // The help shows a subject's commands in the order of the alphabet.
        std::ranges::stable_sort(all, {},
                                 [](const Command& command) { return std::pair(command.group, command.name); });
        return all;
    }();
    return table;
}

} // namespace domus::cli
