// What the commands on network interfaces of the host share.
#pragma once

#include "cli/command.hpp"
#include "cli/objects.hpp"

#include <vector>

namespace domus::cli {

enum InterfaceLookup : unsigned { interface_by_name = 1, interface_by_mac = 2 };

/// virsh tries the name first, and says of the last way what the daemon said.
wire::Interface find_interface(Call& call, unsigned lookup);

std::vector<Command> interface_change_commands();

} // namespace domus::cli
