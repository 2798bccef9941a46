// What zfs(8) and zpool(8) print with -H: a row a line, columns parted by tabs, and with -p sizes in bytes.
#pragma once

#include "base/bytes.hpp"
#include "model/storage.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace domus::storage {

/// Set on a volume that is being filled, to the name of the host that does it; goes when the volume is whole.
constexpr std::string_view zfs_unfinished = "domus:unfinished";

/// The columns for `zfs list -Hp -o` that parse_zfs_listing() reads.
std::string zfs_columns();

struct ZfsVolume {
    std::string name;                  ///< without that of its dataset
    ByteCount size, reserved, written; ///< volsize, refreservation, and what it takes beside its snapshots
    std::string unfinished;            ///< the host that fills it; empty when it is whole
};

struct ZfsListing {
    ByteCount used, available;      ///< of the dataset itself; 0 where it is not listed
    std::vector<ZfsVolume> volumes; ///< those right below it
};

/// Rows of other datasets are passed over. Throws internal_error for what is no such table.
ZfsListing parse_zfs_listing(std::string_view text, std::string_view dataset);

/// Of `zpool list -HPv -o name`: each zpool with the paths of its devices.
std::vector<model::PoolSource> parse_zpool_listing(std::string_view text);

/// Whether this can be the name of a dataset, "tank" or "tank/guests".
bool is_zfs_dataset(std::string_view name);
/// Whether a new volume can be called that: letters, digits and "_-.:".
bool is_zfs_component(std::string_view name);

} // namespace domus::storage
