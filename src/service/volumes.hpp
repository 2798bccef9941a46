// Operations on volumes of storage pools. Listings and look-ups first read what has changed in the storage.
#pragma once

#include "service/caller.hpp"
#include "service/objects.hpp"
#include "service/storage_flags.hpp"
#include "storage/pools.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::service {

using storage::VolumePtr;
using storage::VolumeRef;

/// A volume and the name of its pool.
struct VolumeView {
    std::string pool;
    VolumePtr volume;
};
Object object_of(const VolumeView& view);

class VolumeOperations {
public:
    explicit VolumeOperations(storage::Pools& pools) : pools_(pools) {}

    /// Of an active pool. Throws operation_invalid.
    Task<std::vector<VolumeView>> list(storage::PoolRef ref);
    /// Throw no_storage_vol.
    Task<VolumeView> lookup_by_name(storage::PoolRef ref, std::string name);
    Task<VolumeView> lookup_by_key(std::string key);
    Task<VolumeView> lookup_by_path(std::string path);
    storage::PoolView pool_of(const VolumeRef& ref) const { return pools_.get_name(ref.pool); }
    /// As it was when somebody looked last.
    VolumePtr known(const VolumeRef& ref) const { return pools_.volume(ref); }
    /// As it is on disk now.
    Task<VolumePtr> look(VolumeRef ref) { return pools_.look(std::move(ref)); }
    Task<std::string> xml(VolumeRef ref);

    Task<VolumeView> create(Caller caller, ProgressPtr progress, storage::PoolRef ref, std::string xml,
                            Flags<VolumeCreateFlag> flags);
    Task<VolumeView> copy(Caller caller, ProgressPtr progress, storage::PoolRef ref, std::string xml, VolumeRef from,
                          Flags<VolumeCopyFlag> flags);
    Task<> remove(VolumeRef ref, Flags<VolumeDeleteFlag> flags);
    Task<> resize(Caller caller, ProgressPtr progress, VolumeRef ref, std::uint64_t bytes,
                  Flags<VolumeResizeFlag> flags);
    /// `algorithm`: virStorageVolWipeAlgorithm.
    Task<> wipe(ProgressPtr progress, VolumeRef ref, unsigned algorithm);

    // For transfers: its bytes, the lane in which they are read and written, and what is to be called when one is over.
    Task<std::shared_ptr<storage::VolumeData>> download(VolumeRef ref);
    Task<std::shared_ptr<storage::VolumeData>> upload(VolumeRef ref);
    Lane& lane(const std::string& pool) { return pools_.lane(pool); }
    Task<> settle(VolumeRef ref) { return pools_.settle(std::move(ref)); }

private:
    storage::Pools& pools_;
};

} // namespace domus::service
