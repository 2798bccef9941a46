// What the files of kinds of devices use, and the parts of the command that are no devices.
#pragma once

#include "engine/qemu/devices/device_kind.hpp"

namespace domus::engine::qemu {

/// -chardev char + alias for the host's end of a stream; returns its id. `socket_name` is the file name of a unix
/// socket whose path is left open.
std::string add_character(Build& build, std::string_view element, int line, const std::string& alias,
                          model::CharacterType type, const std::vector<model::CharacterSource>& sources,
                          const std::optional<model::CharacterProtocol>& protocol,
                          const std::optional<model::CharacterLog>& log, const std::string& socket_name);
/// The same for a port, channel or console.
std::string add_character(Build& build, std::string_view element, const model::CharacterDevice& device);

/// The parts that are no devices.
void add_machine(Build& build);
void add_cpu(Build& build);
void add_memory(Build& build);
void add_smbios(Build& build);
void add_clock(Build& build);
void add_power(Build& build);
void add_boot(Build& build);

/// The boot order, from <boot order> of devices or else from <os><boot dev>.
std::map<std::string, unsigned> boot_indexes(const model::Domain& domain);

} // namespace domus::engine::qemu
