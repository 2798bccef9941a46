// Operations on storage pools. Those on volumes are in volumes.hpp.
#pragma once

#include "base/listeners.hpp"
#include "service/caller.hpp"
#include "service/objects.hpp"
#include "service/storage_flags.hpp"
#include "storage/pools.hpp"

#include <string>
#include <vector>

namespace domus::service {

using storage::PoolRef;
using storage::PoolView;

class StorageOperations {
public:
    explicit StorageOperations(storage::Pools& pools) : pools_(pools) {}

    std::vector<PoolView> list(Flags<PoolListFlag> flags) const;
    PoolView lookup_by_name(const std::string& name) const { return pools_.get_name(name); }
    PoolView lookup_by_uuid(const Uuid& uuid) const { return pools_.get({{}, uuid}); }
    /// virStoragePoolLookupByTargetPath.
    PoolView lookup_by_target(const std::string& path) const;
    PoolView view(const PoolRef& ref) const { return pools_.get(ref); }
    /// With what has changed in its storage taken in.
    Task<PoolView> look(PoolRef ref);
    std::string xml(const PoolRef& ref, Flags<PoolXmlFlag> flags) const;
    /// virConnectGetStoragePoolCapabilities.
    std::string capabilities() const;
    /// virConnectFindStoragePoolSources: a <sources> document.
    Task<std::string> find_sources(std::string type, std::string xml);

    Task<PoolView> define(Caller caller, std::string xml, Flags<PoolDefineFlag> flags);
    Task<PoolView> create_xml(Caller caller, std::string xml, Flags<PoolCreateFlag> flags);
    Task<> undefine(PoolRef ref);
    Task<> start(Caller caller, PoolRef ref, Flags<PoolCreateFlag> flags);
    Task<> stop(PoolRef ref);
    Task<> build(Caller caller, ProgressPtr progress, PoolRef ref, Flags<PoolBuildFlag> flags);
    /// What `build` made.
    Task<> remove(Caller caller, PoolRef ref, Flags<PoolDeleteFlag> flags);
    Task<> refresh(PoolRef ref);
    Task<> set_autostart(PoolRef ref, bool on);

    Listeners<PoolView, storage::PoolEvent> events;

private:
    storage::Pools& pools_;
};

} // namespace domus::service
