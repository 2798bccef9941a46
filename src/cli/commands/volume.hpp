// What the volume commands share, and the parts that volume_commands() joins.
#pragma once

#include "cli/commands/storage.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

/// By its name in the pool that another option names, else by its key or its path. Throws Failure with virsh's words.
wire::StorageVol find_volume(Call& call, std::string_view option = "vol", std::string_view pool_option = "pool");
/// As that, where no pool can be given.
wire::StorageVol find_volume_anywhere(Call& call, std::string_view option = "vol");
/// In this pool by name, or anywhere by key or path; nothing if there is none.
std::optional<wire::StorageVol> look_for_volume(Call& call, const wire::StoragePool* pool, const std::string& name);

std::string volume_path(Call& call, const wire::StorageVol& volume);
std::string volume_xml(Call& call, const wire::StorageVol& volume);
boost::json::object volume_json(const wire::StorageVol& volume);

Option the_volume();
Option the_volumes_pool();

std::vector<Command> volume_changing_commands();
std::vector<Command> volume_reading_commands();
std::vector<Command> volume_making_commands();
std::vector<Command> volume_transfer_commands();

} // namespace domus::cli
