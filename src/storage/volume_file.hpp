// Volumes that are files: looking at them, making them, copying and resizing them. For every kind of pool whose volumes
// lie in a folder. Blocks, but for the coroutines.
#pragma once

#include "storage/kind.hpp"

namespace domus::storage {

/// The volume that a file is; nothing for what is none (folders' own entries, sockets, pipes).
std::optional<model::Volume> read_volume_file(const std::string& path, const std::string& name);

/// Whether a name of a folder's entry is that of a volume in the making.
bool is_unfinished(std::string_view name);

/// virStorageVolCreateXML: raw by ourselves, other formats by qemu-img. Never replaces a file.
Task<> create_volume_file(std::string path, model::Volume wanted, Kind::Blocking blocking);
Task<> copy_volume_file(std::string path, model::Volume wanted, model::Volume from, Kind::Blocking blocking);
Task<> resize_volume_file(model::Volume volume, ByteCount capacity, unsigned flags, Kind::Blocking blocking);

} // namespace domus::storage
