// Volumes that are block devices: looking at them and filling them. For the kinds of pools whose volumes are cut from a
// device, or are devices by themselves.
#pragma once

#include "storage/kind.hpp"

namespace domus::storage {

/// The volume that a device is: its size, owner, mode and times; format raw. Blocks. Throws if it cannot be opened.
model::Volume read_block_volume(const std::string& path, const std::string& name, const std::string& key);

/// The same volume with the size that its device has now; null if there is no device any more. Blocks.
std::optional<model::Volume> measure_block_volume(const model::Volume& known);

/// Whether one could be made: it has a size, and asks for nothing that block devices do not have here.
void admit_block_volume(const model::Volume& wanted);

/// Fills the device at `path` with the contents of a volume, as raw data, which is what was encrypted too.
/// Throws if they do not fit.
Task<> fill_device(std::string path, Origin from, Site site);

/// A device as Kind::source names it, whichever link leads to it.
std::string device_source(const std::string& path);

/// Throws storage_pool_built unless blkid(8) finds nothing on the device.
Task<> require_blank(std::string device, Site site);

/// Waits for the device of what was just made, which udev may take a moment for, and gives it the owner and mode that are
/// wanted; what is not said of them stays.
Task<> settle_device(std::string path, model::Permissions permissions, Site site);

} // namespace domus::storage
