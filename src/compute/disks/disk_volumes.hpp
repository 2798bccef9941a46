// Disks that name a volume of a storage pool, <disk type='volume'> and <backingStore type='volume'>: QEMU gets what the pool says of it, a file, a device or
// a storage server; people go on seeing the volume.
#pragma once

#include "compute/domain/environment.hpp"
#include "model/disk.hpp"

namespace domus::compute {

/// The disk as if its source were written out; any other is returned as it is. Throws, naming the disk, if there is no
/// such pool or volume, or the pool is not active.
Task<model::Disk> placed(Environment& environment, model::Disk disk);

/// The file or device of the disk's image on this host, also that of a volume, as far as it is known; empty otherwise.
std::string known_image(const Environment& environment, const model::Disk& disk);

/// Images that live disks are written to (leases.hpp), also those that are volumes of pools that still tell. Waits no more
/// than a moment.
Task<std::vector<std::string>> images_written(Environment& environment, std::vector<model::Disk> disks);

/// Makes the live disk name the volume again that `named` says. A login that came from the pool stays with it: the
/// secret that QEMU was given for it goes when the disk does.
void name_volume(model::Disk& disk, const model::Disk& named);
/// The same for all, which are in the same order.
void name_volumes(std::vector<model::Disk>& disks, const std::vector<model::Disk>& named);

} // namespace domus::compute
