// A pool as Pools keeps it. Included by the sources of Pools alone.
#pragma once

#include "storage/folder_watch.hpp"
#include "storage/pools.hpp"

#include <fmt/format.h>

#include <chrono>

namespace domus::storage {

constexpr auto queue_patience = std::chrono::seconds(30);
constexpr auto file_patience = std::chrono::seconds(30); ///< for what takes moments on storage that answers

struct Pools::Pool {
    Pool(Executor executor, PoolRef named, Site::Secrets known_secrets)
        : ref(std::move(named)), secrets(std::move(known_secrets)),
          jobs(executor, fmt::format("storage pool '{}'", ref.name), "wait, or look why its storage does not answer"),
          looks(executor, fmt::format("the listing of storage pool '{}'", ref.name), "look why its storage does not answer"),
          lane(executor, fmt::format("storage pool '{}'", ref.name), 4) {}

    PoolRef ref;
    Site::Secrets secrets;
    const Kind* kind = nullptr;
    bool autostart = false;
    std::shared_ptr<const model::Pool> definition, live;
    std::shared_ptr<const VolumeMap> volumes;
    std::shared_ptr<FolderWatch> watch; ///< while active, for kinds that have a folder to watch
    timespec looked{};               ///< CLOCK_REALTIME, before all volumes were looked at last
    std::optional<dev_t> local_device; ///< see Contents
    bool stale = false;              ///< something has changed that could not be looked at
    Mailbox jobs;
    Mailbox looks; ///< those who take in changes, one by one: nobody lists before they are taken in
    Lane lane;

    const model::Pool& current() const { return live ? *live : *definition; }
    /// Throws operation_invalid once it is inactive, which it may become in any wait.
    const std::shared_ptr<const model::Pool>& require_live() const;
};

/// Where the pool's kind works; the pool stays as long.
template <class PoolPtr> Site site_of(const PoolPtr& pool, Deadline by) {
    return Site(std::shared_ptr<Lane>(pool, &pool->lane), by, pool->secrets);
}

inline Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::storage, fmt::format("Requested operation is not valid: {}", what));
}

inline Error inactive(const std::string& pool) {
    return invalid(fmt::format("storage pool '{}' is not active", pool)).hint(fmt::format("start it with 'domus pool-start {}'", pool));
}

inline const std::shared_ptr<const model::Pool>& Pools::Pool::require_live() const {
    if (live) return live;
    throw inactive(ref.name);
}

inline Error no_volume(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                 fmt::format("Storage volume not found: no storage vol with matching {} '{}'", by, what));
}

} // namespace domus::storage
