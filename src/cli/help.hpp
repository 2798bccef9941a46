// The help texts, all made from the command table.
#pragma once

#include "cli/command.hpp"

#include <boost/json/value.hpp>

#include <string>

namespace domus::cli {

/// `domus --help`: the options before the command, and the groups.
std::string help_of_program();
/// `domus help`: all commands by group.
std::string help_of_groups();
std::string help_of_group(const GroupName& group);
/// `domus help list`; long lines are broken at `width` unless it is 0.
std::string help_of_command(const Command& command, std::size_t width = 0);

boost::json::value help_json();
boost::json::value help_json(const GroupName& group);
boost::json::value help_json(const Command& command);

} // namespace domus::cli
