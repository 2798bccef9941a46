// What the commands on snapshots share.
#pragma once

#include "cli/objects.hpp"

namespace domus::cli {

/// The one that --snapshotname names, or the current one with --current. Throws Failure if neither is given.
wire::DomainSnapshot find_snapshot(Call& call, const wire::Domain& domain);
std::string snapshot_xml(Call& call, const wire::DomainSnapshot& snapshot, std::uint32_t flags);

Option snapshot_name();
std::vector<Command> snapshot_reading_commands();

} // namespace domus::cli
