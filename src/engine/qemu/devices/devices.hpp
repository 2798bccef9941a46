// One file a kind of device; each adds all of its kind to the command, and refuses what it cannot do.
#pragma once

#include "engine/qemu/build.hpp"

namespace domus::engine::qemu {

void add_controllers(Build& build);
void add_hubs(Build& build);
void add_disks(Build& build);
void add_filesystems(Build& build);
void add_interfaces(Build& build);
void add_smartcards(Build& build);
void add_serials(Build& build);
void add_parallels(Build& build);
void add_channels(Build& build);
void add_consoles(Build& build);
void add_tpms(Build& build);
void add_inputs(Build& build);
void add_audios(Build& build);
void add_graphics(Build& build);
void add_videos(Build& build);
void add_sounds(Build& build);
void add_watchdogs(Build& build);
void add_redirdevs(Build& build);
void add_hostdevs(Build& build);
void add_memballoon(Build& build);
void add_rngs(Build& build);
void add_panics(Build& build);
void add_shmems(Build& build);
void add_memories(Build& build);
void add_cryptos(Build& build);
void add_iommus(Build& build);
void add_vsock(Build& build);

/// -chardev char + alias for the host's end of a stream; returns its id. `socket_name` is the file name of a unix
/// socket whose path is left open.
std::string add_character(Build& build, std::string_view element, int line, const std::string& alias,
                          model::CharacterType type, const std::vector<model::CharacterSource>& sources,
                          const std::optional<model::CharacterProtocol>& protocol,
                          const std::optional<model::CharacterLog>& log, const std::string& socket_name);

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
