// Operations on storage pools and volumes.
#pragma once

#include "base/listeners.hpp"
#include "service/caller.hpp"
#include "storage/pools.hpp"

#include <string>
#include <vector>

namespace domus::service {

using storage::PoolRef;
using storage::PoolView;
using storage::VolumePtr;
using storage::VolumeRef;

class StorageOperations {
public:
    explicit StorageOperations(storage::Pools& pools) : pools_(pools) {}

    /// virConnectListAllStoragePoolsFlags.
    std::vector<PoolView> list(unsigned flags) const;
    PoolView get(const PoolRef& ref) const { return pools_.get(ref); }
    PoolView get_name(const std::string& name) const { return pools_.get_name(name); }
    std::string xml(const PoolRef& ref, unsigned flags) const;
    /// virConnectGetStoragePoolCapabilities.
    std::string capabilities(unsigned flags) const;
    /// Of an active pool. Throws operation_invalid.
    const storage::VolumeMap& volumes(const PoolView& view) const;
    VolumePtr volume(const VolumeRef& ref) const { return pools_.volume(ref); }
    VolumePtr volume_or_made(const VolumeRef& ref) const { return pools_.volume_or_made(ref); }
    std::pair<PoolRef, VolumePtr> find_key(const std::string& key) const { return pools_.find_key(key); }
    std::pair<PoolRef, VolumePtr> find_path(const std::string& path) const { return pools_.find_path(path); }

    Task<PoolView> define(Caller caller, std::string xml, unsigned flags);
    /// Throws what define() would throw for it, and changes nothing.
    void check(const std::string& xml) const { pools_.check(xml); }
    Task<PoolView> create_xml(Caller caller, std::string xml, unsigned flags);
    Task<> undefine(Caller caller, PoolRef ref);
    Task<> create(Caller caller, PoolRef ref, unsigned flags);
    Task<> destroy(Caller caller, PoolRef ref);
    Task<> build(Caller caller, PoolRef ref, unsigned flags);
    Task<> remove(Caller caller, PoolRef ref, unsigned flags);
    Task<> refresh(Caller caller, PoolRef ref, unsigned flags);
    Task<> set_autostart(Caller caller, PoolRef ref, bool on);

    Task<VolumePtr> create_volume(Caller caller, std::string pool, std::string xml, unsigned flags);
    Task<VolumePtr> copy_volume(Caller caller, std::string pool, std::string xml, VolumeRef from, unsigned flags);
    Task<> remove_volume(Caller caller, VolumeRef ref, unsigned flags);
    Task<> resize_volume(Caller caller, VolumeRef ref, std::uint64_t bytes, unsigned flags);
    Task<> wipe_volume(Caller caller, VolumeRef ref, unsigned algorithm, unsigned flags);
    /// Takes in what has changed behind our back, before volumes are listed or looked up.
    Task<> freshen(std::string pool) { return pools_.freshen(std::move(pool)); }
    Task<> freshen_all() { return pools_.freshen_all(); }
    /// virConnectFindStoragePoolSources: a <sources> document.
    Task<std::string> find_sources(std::string type, std::string xml, unsigned flags);
    /// virStoragePoolLookupByTargetPath.
    PoolView get_target(const std::string& path) const;
    /// As it is on disk now.
    Task<VolumePtr> look(VolumeRef ref);
    /// For a transfer; `settle` when it is over.
    Task<std::shared_ptr<storage::VolumeData>> open_volume(Caller caller, VolumeRef ref, bool write);
    Lane& lane(const std::string& pool) { return pools_.lane(pool); }
    Task<> settle(VolumeRef ref) { return pools_.settle(std::move(ref)); }

    Listeners<PoolView, storage::PoolEvent> events;

private:
    storage::Pools& pools_;
};

} // namespace domus::service
