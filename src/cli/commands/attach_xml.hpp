// The XML of devices that attach-disk and attach-interface describe by options.
#pragma once

#include "cli/arguments.hpp"

#include <pugixml.hpp>

#include <string>

namespace domus::cli {

/// <source> of a disk, and its type, by the options --sourcetype and --source-*.
void describe_disk_source(const Arguments& args, pugi::xml_node disk, const std::string& source);
std::string attached_disk_xml(const Arguments& args);
std::string attached_interface_xml(const Arguments& args);

} // namespace domus::cli
