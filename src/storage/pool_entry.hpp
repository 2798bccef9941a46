// A pool as Pools keeps it. Included by the sources of Pools alone.
#pragma once

#include "storage/folder_watch.hpp"
#include "storage/look_order.hpp"
#include "storage/pools.hpp"

#include <fmt/format.h>

#include <chrono>

namespace domus::storage {

constexpr auto queue_timeout = std::chrono::seconds(30);
constexpr auto file_timeout = std::chrono::seconds(30); ///< for what takes moments on storage that answers

/// What calls that have not ended do with a volume.
struct VolumeUse {
    std::string doing;    ///< "wiped"; empty where it is only read
    unsigned readers = 0; ///< who copy it
    VolumePtr made;       ///< what is to be, while it is made in a file that tells how far that is

    std::string text() const { return readers > 0 ? "copied" : doing; }
};

struct Pools::Pool {
    Pool(Executor executor, PoolRef named, Site::Secrets known_secrets)
        : ref(std::move(named)), secrets(std::move(known_secrets)),
          jobs(executor, fmt::format("storage pool '{}'", ref.name), "wait, or look why its storage does not answer"),
          looks(executor, fmt::format("the listing of storage pool '{}'", ref.name),
                "look why its storage does not answer"),
          lane(executor, fmt::format("storage pool '{}'", ref.name), 4),
          long_work(executor, fmt::format("volumes of storage pool '{}'", ref.name), 4) {}

    PoolRef ref;
    Site::Secrets secrets;
    const Kind* kind = nullptr;
    bool autostart = false;
    std::shared_ptr<const model::Pool> definition, live;
    std::optional<Credentials> owner;  ///< of the definition, beside root
    std::optional<Credentials> acting; ///< while active: whose rights count in its folder
    std::shared_ptr<const VolumeMap> volumes;
    std::shared_ptr<FolderWatch> watch; ///< while active, for kinds that have a folder to watch
    timespec looked{};                  ///< CLOCK_REALTIME, before all volumes were looked at last
    std::optional<dev_t> local_device;  ///< see Contents
    LookOrder order;                    ///< of the reads of its storage
    bool stale = false;                 ///< something has changed that could not be looked at
    Mailbox jobs; ///< what changes the pool; work on a volume begins in a turn, and goes on without
    std::map<std::string, VolumeUse> uses; ///< of volumes, by name, whether they are there already or not
    Mailbox looks; ///< those who take in changes, one by one: nobody lists before they are taken in
    Lane lane;
    Lane long_work; ///< on volumes: nobody who asks for what takes a moment waits for that

    const model::Pool& current() const { return live ? *live : *definition; }
    /// What is to be of a volume that is being made; null if it is there, if it is not made, or if nobody can tell how far it is.
    VolumePtr in_the_making(const std::string& volume) const {
        const auto use = uses.find(volume);
        return use != uses.end() && !volumes->contains(volume) ? use->second.made : nullptr;
    }
    /// Throws operation_invalid once it is inactive, which it may become in any wait.
    const std::shared_ptr<const model::Pool>& require_live() const;
};

/// Where the pool's kind works; the pool stays as long.
template <class PoolPtr> Site site_of(const PoolPtr& pool, Deadline by) {
    return Site(std::shared_ptr<Lane>(pool, &pool->lane), by, pool->secrets, pool->acting.value_or(own_credentials()));
}

/// The same for work whose length is that of the data.
template <class PoolPtr> Site work_site_of(const PoolPtr& pool, ProgressPtr progress) {
    return Site(std::shared_ptr<Lane>(pool, &pool->long_work), Deadline::never(), pool->secrets,
                pool->acting.value_or(own_credentials()))
        .reporting(std::move(progress));
}

inline Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                 fmt::format("Requested operation is not valid: {}", what));
}

template <class Pool> Error already_active(const Pool& pool) {
    return invalid(fmt::format("storage pool '{}' is already active", pool.ref.name));
}

/// With libvirt's words.
inline Error busy(const std::string& volume, const VolumeUse& use, bool there) {
    if (!there) return invalid(fmt::format("volume '{}' is still being allocated.", volume));
    return invalid(fmt::format("volume '{}' is still in use.", volume))
        .because(fmt::format("it is being {}", use.text()))
        .hint("wait until that has ended");
}

inline Error inactive(const std::string& pool) {
    return invalid(fmt::format("storage pool '{}' is not active", pool))
        .hint(fmt::format("start it with 'domus pool-start {}'", pool));
}

inline const std::shared_ptr<const model::Pool>& Pools::Pool::require_live() const {
    if (live) return live;
    throw inactive(ref.name);
}

/// As long as this lives, nobody else changes that volume, or takes it or its pool away.
template <class PoolPtr> class Occupation {
public:
    /// `doing`: "wiped", or empty for one who reads it. Throws operation_invalid where that does not go with what others do.
    Occupation(PoolPtr pool, std::string name, std::string doing, VolumePtr made = {})
        : pool_(std::move(pool)), name_(std::move(name)) {
        const auto known = pool_->uses.find(name_);
        const bool reading = doing.empty();
        if (known != pool_->uses.end() && (!reading || !known->second.doing.empty()))
            throw busy(name_, known->second, pool_->volumes && pool_->volumes->contains(name_));
        auto& use = pool_->uses[name_];
        if (reading) ++use.readers;
        use.doing = std::move(doing);
        use.made = std::move(made);
    }
    Occupation(const Occupation&) = delete;
    Occupation& operator=(const Occupation&) = delete;
    ~Occupation() {
        const auto use = pool_->uses.find(name_);
        if (use->second.readers > 1)
            --use->second.readers;
        else
            pool_->uses.erase(use);
    }

private:
    PoolPtr pool_;
    std::string name_;
};

inline Error no_volume(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                 fmt::format("Storage volume not found: no storage vol with matching {} '{}'", by, what));
}

} // namespace domus::storage
