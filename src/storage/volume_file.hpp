// Volumes that are files: looking at them, making, copying, resizing and removing them. For every kind of pool whose volumes
// lie in a folder. Blocks, but for the coroutines.
#pragma once

#include "storage/kind.hpp"

struct stat;

namespace domus::storage {

model::Permissions permissions_of(const struct stat& info);
model::Timestamps timestamps_of(const struct stat& info);

/// The volume that a file is; nothing for what is none (folders' own entries, sockets, pipes).
std::optional<model::Volume> read_volume_file(const std::string& path, const std::string& name);
/// The same of an open file that is known to be so; its header is read from `fd`.
std::optional<model::Volume> describe_file(int fd, const struct stat& info, const std::string& path,
                                           const std::string& name);

/// Whether a file of that state certainly holds the volume that was known after `since`.
bool is_unchanged(const model::Volume& known, const struct stat& now, const timespec& since);

/// Removes the file, or the folder if nothing is in it, so that it is gone after a power cut too. Throws operation_invalid for
/// what is no volume of a folder.
void remove_volume_file(const std::string& path);

/// virStorageVolCreateXML: raw and plain qcow2 by ourselves, the rest by qemu-img. Never replaces a file. Flags:
/// virStorageVolCreateFlags.
Task<> create_volume_file(std::string path, model::Volume wanted, unsigned flags, Site site);
Task<> copy_volume_file(std::string path, model::Volume wanted, Origin from, unsigned flags, Site site);
Task<> resize_volume_file(VolumePtr volume, ByteCount capacity, unsigned flags, Site site);

} // namespace domus::storage
