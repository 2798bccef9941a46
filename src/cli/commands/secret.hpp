// The parts of the commands of secrets; secret_commands() joins them.
#pragma once

#include "cli/objects.hpp"

#include <vector>

namespace domus::cli {

std::vector<Command> secret_event_commands();

/// By its UUID, the only name that a secret always has. Throws Failure "failed to get secret 'x'".
wire::Secret find_secret(Call& call);

Option the_secret();

} // namespace domus::cli
