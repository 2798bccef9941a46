// Names of domains, networks, pools and volumes, asked of the daemon for completion.
#pragma once

#include "cli/command.hpp"
#include "cli/session.hpp"

#include <string>
#include <vector>

namespace domus::cli {

/// Nothing when the daemon cannot be reached: completion never complains.
std::vector<std::string> names_for_completion(Session& session, Complete kind, const std::string& pool);

} // namespace domus::cli
