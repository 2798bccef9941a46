// The parts of the pool commands; pool_commands() joins them.
#pragma once

#include "cli/arguments.hpp"
#include "cli/command.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace domus::cli {

std::vector<Command> pool_reading_commands();  ///< listing and telling
std::vector<Command> pool_defining_commands(); ///< making pools from XML or from options
std::vector<Command> pool_event_commands();

/// A <pool> of the options that describe one; in virsh's words and order, with what XML needs escaped.
std::string pool_xml(const Arguments& args);

/// --build, --no-overwrite and --overwrite as virStoragePoolCreateFlags; refused where they exclude each other.
std::uint32_t pool_build_at_start(const Arguments& args);
std::vector<Option> pool_build_options();

} // namespace domus::cli
