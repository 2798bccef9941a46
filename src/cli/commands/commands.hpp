// The parts of the command table; command_table() joins them. A new subject is one more line here and in table.cpp.
#pragma once

#include "cli/command.hpp"

namespace domus::cli {

class Call;

std::vector<Command> disk_statistics_commands();
std::vector<Command> control_commands();
std::vector<Command> block_commands();
std::vector<Command> node_cpu_commands();
std::vector<Command> native_commands();
std::vector<Command> interface_commands();
std::vector<Command> network_event_commands();
std::vector<Command> checkpoint_commands();
std::vector<Command> nwfilter_commands();
std::vector<Command> lifecycle_commands();
std::vector<Command> definition_commands();
std::vector<Command> import_commands();
std::vector<Command> save_commands();
std::vector<Command> snapshot_commands();
std::vector<Command> attach_commands();
std::vector<Command> console_commands();
std::vector<Command> tuning_commands();
std::vector<Command> metadata_commands();
std::vector<Command> display_commands();
std::vector<Command> list_commands();
std::vector<Command> monitor_commands();
std::vector<Command> device_list_commands();
std::vector<Command> statistics_commands();
std::vector<Command> event_commands();
std::vector<Command> wait_commands();
std::vector<Command> host_commands();
std::vector<Command> cpu_commands();
std::vector<Command> network_commands();
std::vector<Command> pool_commands();
std::vector<Command> volume_commands();
std::vector<Command> image_commands();
std::vector<Command> secret_commands();
std::vector<Command> job_commands();
std::vector<Command> shell_commands();
std::vector<Command> doctor_commands();

} // namespace domus::cli
