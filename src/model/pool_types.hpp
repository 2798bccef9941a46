// The words that pools have for their types, as libvirt knows them. What a type does is a file in src/storage/kinds.
#pragma once

#include <array>
#include <string_view>

namespace domus::model {

/// In the order of the flags of virConnectListAllStoragePools, from first_pool_type_flag on.
inline constexpr std::array<std::string_view, 14> pool_types{"dir",     "fs",   "netfs",    "logical",     "disk",
                                                             "iscsi",   "scsi", "mpath",    "rbd",         "sheepdog",
                                                             "gluster", "zfs",  "vstorage", "iscsi-direct"};
/// The type of a plain folder of the host.
inline constexpr std::string_view folder_pool_type = pool_types[0];
/// Those of them that Domus has not.
inline constexpr std::array<std::string_view, 2> foreign_pool_types{"sheepdog", "vstorage"};

inline constexpr unsigned first_pool_type_flag = 64; ///< VIR_CONNECT_LIST_STORAGE_POOLS_DIR

/// The flag of a type; 0 if libvirt has no flag for it.
constexpr unsigned pool_type_flag(std::string_view type) {
    for (std::size_t i = 0; i < pool_types.size(); ++i)
        if (pool_types[i] == type) return first_pool_type_flag << i;
    return 0;
}

} // namespace domus::model
