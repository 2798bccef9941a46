// The volumes of active pools: what is known of them, and the work on them.
#include "storage/open_volume_file.hpp"
#include "storage/pool_entry.hpp"

#include "async/read_document.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "image/holder.hpp"
#include "image/lease.hpp"
#include "image/lock.hpp"
#include "image/network_lock.hpp"
#include "model/network_source.hpp"
#include "model/unsupported.hpp"
#include "os/files.hpp"
#include "storage/block_volume.hpp"
#include "storage/unfinished_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <limits>

namespace domus::storage {

using namespace std::chrono_literals;

namespace {

/// How long a listing waits for what has changed.
constexpr auto freshening_timeout = 2s;
/// With more, all is looked at anew.
constexpr std::size_t most_changes = 200;

model::Volume parse_volume(const std::string& xml, format::Reading how, bool copy) {
    auto volume = format::from_xml<model::Volume>(xml, ErrorDomain::storage, how);
    if (copy && !volume.capacity) volume.capacity = ByteCount{0}; // it has what it is copied from
    if (volume.backing_store && volume.backing_store->path.empty())
        volume.backing_store.reset(); // it tells that there is none
    if (const auto& name = volume.name; name.find('/') != name.npos)
        throw invalid(fmt::format("volume name '{}' cannot contain '/'", name));
    for (const auto& amount : {volume.capacity, volume.allocation})
        if (amount && amount->bytes > std::numeric_limits<std::int64_t>::max())
            throw Error(ErrorCode::overflow, ErrorDomain::storage,
                        fmt::format("numerical overflow: value too large: {}", amount->bytes));
    format::Findings findings;
    model::check(volume, findings);
    model::find_unsupported(volume, findings);
    format::throw_findings(findings, ErrorDomain::storage, "<volume>");
    return volume;
}

/// Which secret opens an encrypted image does not stand in it: what was said when it was made stays known.
void keep_secrets(const VolumeMap& known, model::Volume& seen) {
    if (!seen.target.encryption || !seen.target.encryption->secrets.empty()) return;
    const auto before = known.find(seen.name);
    if (before != known.end() && before->second->target.encryption)
        seen.target.encryption->secrets = before->second->target.encryption->secrets;
}

bool lockable(const model::Volume& volume) {
    return volume.type == model::VolumeType::file || volume.type == model::VolumeType::block;
}

/// With libvirt's code and words.
Error still_in_use(const model::Volume& volume, int fd) {
    const auto holder = image::find_holder(fd, *volume.target.path);
    return invalid(fmt::format("volume '{}' is still in use.", volume.name))
        .because(holder ? "by " + holder->text() : "its image is locked")
        .hint(image::way_out(holder, *volume.target.path));
}

/// For work by programs, which lock the image themselves, or want nobody to have it open.
void require_unused(const model::Volume& volume) {
    if (!lockable(volume)) return;
    const auto fd = open_volume_file(*volume.target.path, O_RDONLY | O_NONBLOCK);
    if (image::look_for_use(fd.get()).any) throw still_in_use(volume, fd.get());
}

void require_unwritten_to(const model::Volume& volume) {
    const auto fd = open_volume_file(*volume.target.path, O_RDONLY | O_NONBLOCK);
    if (image::look_for_use(fd.get()).writes) throw still_in_use(volume, fd.get());
}

/// A raw image is copied as it is at that moment, as that of a paused guest; what a program reads it wants for itself.
void require_unwritten(const model::Volume& volume) {
    if (volume.type == model::VolumeType::file && volume.target.format != "raw") require_unwritten_to(volume);
}

/// For work of our own: nobody begins to use it before the descriptor is closed.
UniqueFd hold_alone(const model::Volume& volume) {
    if (!lockable(volume)) return {};
    auto fd = open_volume_file(*volume.target.path, O_RDONLY | O_NONBLOCK);
    if (!image::claim_alone(fd.get())) throw still_in_use(volume, fd.get());
    return fd;
}

/// Where a volume is on a server: what stands for it on this host, and the folder of that.
struct Stand {
    std::filesystem::path folder;
    std::string source;
};

std::optional<Stand> stand_of(const Kind& kind, const model::Pool& pool, const model::Volume& volume,
                              const std::filesystem::path& folder) {
    if (volume.type != model::VolumeType::network) return std::nullopt;
    const auto place = kind.place(pool, volume, std::nullopt);
    auto source = model::network_source(place.type, place.source);
    if (!source) return std::nullopt;
    return Stand{folder, std::move(*source)};
}

/// Without `how`, alone.
UniqueFd hold_stand(const model::Volume& volume, const Stand& stand, std::optional<image::Claim> how) {
    try {
        return image::lock_network_image(stand.folder, stand.source, how);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::resource_busy) throw;
        throw invalid(fmt::format("volume '{}' is still in use.", volume.name)).because(error.text());
    }
}

using Held = std::shared_ptr<UniqueFd>;

Task<Held> hold_in_lane(VolumePtr volume, std::optional<Stand> stand, Site site) {
    auto work = [volume, stand] {
        return std::make_shared<UniqueFd>(stand ? hold_stand(*volume, *stand, std::nullopt) : hold_alone(*volume));
    };
    auto held = co_await site.block(std::move(work));
    co_return held;
}

/// What is on a server is held, where no program locks it.
Task<Held> require_unused_in_lane(VolumePtr volume, std::optional<Stand> stand, Site site) {
    auto work = [volume, stand] {
        if (stand) return std::make_shared<UniqueFd>(hold_stand(*volume, *stand, std::nullopt));
        require_unused(*volume);
        return Held();
    };
    auto held = co_await site.block(std::move(work));
    co_return held;
}

struct OpenedOrigin {
    std::shared_ptr<UniqueFd> file;
    bool for_receiver = true; ///< a program with the rights of the pool that gets the copy may open it once more
};

/// A volume that is copied, for `asker`: with the rights of the pool that it is in. Blocks.
OpenedOrigin open_origin(const std::string& path, const Opener& asker, const Credentials& giver,
                         const Credentials& receiver) {
    constexpr int flags = O_RDONLY | O_NONBLOCK;
    OpenedOrigin opened{std::make_shared<UniqueFd>()};
    if (asker.who.unrestricted()) {
        const FileSystemIdentity identity(giver);
        *opened.file = open_volume_file(path, flags);
    } else {
        *opened.file = asker.open(path, flags); // where a link leads is not the pool's
    }
    opened.for_receiver = receiver.unrestricted() || may_reopen(receiver, opened.file->get());
    return opened;
}

/// What it held is not what it holds.
[[noreturn]] void rethrow_wipe(const std::exception_ptr& failure, const std::string& volume) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_aborted) throw;
        auto cancelled = error;
        throw std::move(cancelled)
            .because(fmt::format("volume '{}' is overwritten in part", volume))
            .hint("wipe it again, or delete it");
    }
}

/// The bytes of a volume on a server, which nobody else writes to meanwhile.
struct HeldData {
    Held held;
    std::shared_ptr<VolumeData> data;
};

} // namespace

// ---- what is known ------------------------------------------------------------------------------------------------

void Pools::publish_sizes(Pool& pool, const LookOrder::Look& look, const Contents& contents) {
    if (!pool.live || !pool.order.accept_sizes(look)) return;
    auto live = std::make_shared<model::Pool>(*pool.live);
    live->capacity = contents.capacity;
    live->allocation = contents.allocation;
    live->available = contents.available;
    if (contents.permissions) {
        auto label = std::move(live->permissions.label);
        live->permissions = *contents.permissions;
        live->permissions.label = std::move(label);
    }
    pool.live = std::move(live);
}

/// Null takes it away.
void Pools::publish_volume(Pool& pool, const LookOrder::Look& look, const std::string& name, VolumePtr volume) {
    if (!pool.volumes || !pool.order.accept(look, name)) return;
    const auto known = pool.volumes->find(name);
    const bool there = known != pool.volumes->end();
    if (volume ? there && *known->second == *volume : !there) return; // nothing is copied for nothing new
    auto volumes = std::make_shared<VolumeMap>(*pool.volumes);
    if (volume)
        (*volumes)[name] = std::move(volume);
    else
        volumes->erase(name);
    pool.volumes = std::move(volumes);
}

/// False if a younger listing is known.
bool Pools::publish_listing(Pool& pool, const LookOrder::Look& look, Contents contents) {
    if (!pool.order.accept_listing(look)) return false;
    auto volumes = std::make_shared<VolumeMap>();
    for (auto& volume : contents.unchanged) volumes->emplace(volume->name, volume);
    for (auto& volume : contents.volumes) {
        if (pool.volumes) keep_secrets(*pool.volumes, volume);
        auto name = volume.name;
        volumes->emplace(std::move(name), std::make_shared<const model::Volume>(std::move(volume)));
    }
    pool.order.each_younger(look, [&](const std::string& name) {
        const auto known = pool.volumes ? pool.volumes->find(name) : VolumeMap::const_iterator();
        if (pool.volumes && known != pool.volumes->end())
            (*volumes)[name] = known->second;
        else
            volumes->erase(name);
    });
    pool.volumes = std::move(volumes);
    return true;
}

/// Reads the pool's contents anew and publishes them.
Task<> Pools::look_again(PoolPtr pool, Deadline by) {
    const auto site = site_of(pool, by);
    const auto live = pool->require_live();
    const LookOrder::Look look(pool->order);
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::exception_ptr failure;
    Contents contents;
    try {
        if (const auto watched = pool->kind->watched(*live)) {
            // Watched first: what changes meanwhile is seen by the next read.
            auto work = [folder = watched->folder] { return FolderWatch::open(folder); };
            auto watch = co_await site.block(std::move(work));
            if (pool->order.accept_watch(look)) pool->watch = std::move(watch);
        }
        Known known{pool->volumes, pool->looked};
        contents = co_await pool->kind->look_again(live, std::move(known), site);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        pool->stale = true; // the new watch does not have what changed before
        std::rethrow_exception(failure);
    }
    if (!pool->live) co_return;
    publish_sizes(*pool, look, contents);
    const auto device = contents.local_device;
    if (publish_listing(*pool, look, std::move(contents))) {
        pool->looked = now;
        pool->local_device = device;
    }
    if (pool->order.accept_watch(look)) pool->stale = false; // else somebody watches since a moment after this listing
}

Task<> Pools::measure(PoolPtr pool, Deadline by) {
    const auto live = pool->require_live();
    const LookOrder::Look look(pool->order);
    const auto sizes = co_await pool->kind->measure(live, site_of(pool, by));
    publish_sizes(*pool, look, sizes);
}

Task<VolumePtr> Pools::look_at(PoolPtr pool, std::string name, Deadline by) {
    const auto site = site_of(pool, by);
    const auto live = pool->require_live();
    const LookOrder::Look look(pool->order);
    auto seen = co_await pool->kind->look_at(live, name, site);
    if (pool->volumes) keep_secrets(*pool->volumes, seen);
    VolumePtr volume = std::make_shared<const model::Volume>(std::move(seen));
    publish_volume(*pool, look, name, volume);
    co_return volume;
}

Task<> Pools::take_changes(PoolPtr pool, std::set<std::string> names, Deadline by) {
    for (const auto& name : names) {
        const LookOrder::Look look(pool->order);
        std::exception_ptr failure;
        try {
            (void)co_await look_at(pool, name, by);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) continue;
        try {
            std::rethrow_exception(failure);
        } catch (const Error& error) {
            // It went again, or is nothing that could be a volume.
            if (error.code() != ErrorCode::no_storage_vol && error.code() != ErrorCode::xml_error) throw;
        }
        publish_volume(*pool, look, name, nullptr);
    }
    co_await measure(pool, by);
}

Task<> Pools::freshen(std::string name) {
    const auto found = pools_.find(name);
    if (found == pools_.end() || !found->second->volumes) co_return;
    const auto pool = found->second;
    const auto by = Deadline::in(freshening_timeout);
    std::exception_ptr failure;
    try {
        co_await take_in(pool, by);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    pool->stale = true;
    log::warning("what has changed in storage pool '{}' is not known: {}", name, describe(failure));
}

Task<> Pools::take_in(PoolPtr pool, Deadline by) {
    const auto turn = co_await pool->looks.enter("look", by);
    const auto watched = pool->kind->watched(*pool->require_live());
    if (!watched) co_return;
    FolderWatch::Changes changes{{}, true}; // where there is no folder yet
    if (pool->watch) changes = pool->watch->take();
    if (!watched->prefix.empty())
        std::erase_if(changes.names, [&](const auto& entry) { return !entry.starts_with(watched->prefix); });
    if (changes.none() && !pool->stale) co_return;
    const bool whole =
        pool->stale || changes.unknown || !watched->entries_are_volumes || changes.names.size() > most_changes;
    if (whole)
        co_await look_again(pool, by);
    else
        co_await take_changes(pool, std::move(changes.names), by);
}

Task<> Pools::freshen_all() {
    std::vector<std::string> names;
    for (const auto& [name, pool] : pools_) names.push_back(name);
    for (auto& name : names) co_await freshen(std::move(name));
}

Task<VolumePtr> Pools::look_at_made(PoolPtr pool, VolumePtr made) {
    auto work = [file = unfinished_path(*made->target.path)]() -> std::uint64_t {
        struct stat info{};
        return ::stat(file.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512
                                                : 0; // st_blocks: stat(2)
    };
    const auto allocated = co_await site_of(pool, Deadline::in(file_timeout)).block(std::move(work));
    auto now = *made;
    now.allocation = ByteCount{allocated};
    co_return std::make_shared<const model::Volume>(std::move(now));
}

Task<VolumePtr> Pools::look(VolumeRef ref) {
    const auto pool = find_active(ref.pool);
    if (const auto made = pool->in_the_making(ref.name)) {
        auto now = co_await look_at_made(pool, made);
        co_return now;
    }
    const auto known = volume(ref);
    const auto by = Deadline::in(file_timeout);
    if (known->type == model::VolumeType::block && pool->kind->info().device_tells_all) {
        // What programs report of devices is expensive, and comes with the listing; the size may change without.
        const LookOrder::Look look(pool->order);
        auto work = [known] { return measure_block_volume(*known); };
        auto measured = co_await site_of(pool, by).block(std::move(work));
        if (measured) {
            VolumePtr now = std::make_shared<const model::Volume>(std::move(*measured));
            publish_volume(*pool, look, ref.name, now);
            co_return now;
        }
    }
    if (pool->local_device && pool->kind->surely_unchanged(*known, *pool->local_device, pool->looked)) co_return known;
    auto seen = co_await look_at(pool, ref.name, by);
    co_return seen;
}

// ---- work on them -------------------------------------------------------------------------------------------------

/// What is seen of a volume before it is there.
VolumePtr Pools::made_in(const Pool& pool, const model::Volume& wanted) {
    const auto file = pool.kind->file_of(*pool.live, wanted.name);
    if (!file) return nullptr;
    auto made = wanted;
    made.key = made.target.path = *file;
    made.type = model::VolumeType::file;
    return std::make_shared<const model::Volume>(std::move(made));
}

/// `flags`: virStorageVolCreateFlags.
Task<model::Volume> Pools::read_volume(PoolPtr pool, std::string xml, unsigned flags, bool copy) {
    const auto size = xml.size();
    auto work = [xml = std::move(xml), how = format::reading(flags & create_flag::validate), copy] {
        return parse_volume(xml, how, copy);
    };
    auto wanted = co_await read_document(pool->lane, size, Deadline::in(file_timeout), std::move(work));
    co_return wanted;
}

Task<VolumePtr> Pools::create_volume(std::string name, std::string xml, unsigned flags, Credentials who,
                                     ProgressPtr progress) {
    const auto pool = find_active(name);
    auto wanted = co_await read_volume(pool, std::move(xml), flags, false);
    flags &= ~create_flag::validate;
    std::optional<Turn> turn(co_await enter(pool, "vol-create"));
    (void)find_active(name);
    co_await freshen(name);
    require_absent(*pool, wanted.name);
    const auto made = wanted.name;
    const auto encryption = wanted.target.encryption;
    const Occupation<PoolPtr> occupied(pool, made, "made", made_in(*pool, wanted));
    if (!pool->kind->info().one_at_a_time) turn.reset();
    progress->check();
    co_await pool->kind->create(pool->live, std::move(wanted), flags,
                                work_site_of(pool, std::move(progress)).asked_by({std::move(who), places()}));
    auto volume = co_await settle_new(pool, made, encryption);
    co_return volume;
}

Task<VolumePtr> Pools::copy_volume(std::string name, std::string xml, VolumeRef from, unsigned flags, Credentials who,
                                   ProgressPtr progress) {
    const auto pool = find_active(name);
    auto wanted = co_await read_volume(pool, std::move(xml), flags, true);
    flags &= ~create_flag::validate;
    (void)volume(from);
    const auto giving = find_active(from.pool);
    const Occupation<PoolPtr> read(giving, from.name, {});
    auto source = co_await look(from);
    auto check = [source] { require_unwritten(*source); };
    co_await site_of(giving, Deadline::in(file_timeout)).block(std::move(check));
    const auto receiver = pool->acting.value_or(own_credentials());
    Opener asker(who.unrestricted() ? receiver : who, places());
    Origin origin{source, giving->kind, giving->live};
    const auto type = source->type.value_or(model::VolumeType::file);
    const bool device = type == model::VolumeType::block;
    if (type != model::VolumeType::file && !device && type != model::VolumeType::network)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: volume '{}' of type '{}' cannot be copied", source->name,
                                format::word(type)));
    // A partition that is open would keep its disk's new table from being read: it is opened later, with the same rights.
    if (type == model::VolumeType::file || (device && giving != pool)) {
        // Without an identity of its own: whose rights count is chosen within.
        const Site daemons(std::shared_ptr<Lane>(giving, &giving->lane), Deadline::in(file_timeout));
        auto open = [path = *source->target.path, by = Opener(who, places()),
                     giver = giving->acting.value_or(own_credentials()),
                     receiver] { return open_origin(path, by, giver, receiver); };
        auto opened = co_await daemons.block(std::move(open));
        origin.file = std::move(opened.file);
        const Site reader(std::shared_ptr<Lane>(pool, &pool->long_work), Deadline::never(), pool->secrets);
        if (!opened.for_receiver) origin.reader = reader.asked_by(std::move(asker)).reporting(progress);
    }
    std::optional<Turn> turn(co_await enter(pool, "vol-clone"));
    (void)find_active(name);
    co_await freshen(name);
    if (pool->volumes->contains(wanted.name)) // other code than for a new one
        throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                    fmt::format("internal error: storage volume name '{}' already in use.", wanted.name));
    require_absent(*pool, wanted.name);
    const auto made = wanted.name;
    auto encryption = wanted.target.encryption;
    if (!encryption || encryption->secrets.empty()) encryption = source->target.encryption; // it has the same key then
    auto seen = wanted;
    if (!seen.capacity || (source->capacity && *seen.capacity < *source->capacity)) seen.capacity = source->capacity;
    const Occupation<PoolPtr> occupied(pool, made, "made", made_in(*pool, seen));
    if (!pool->kind->info().one_at_a_time) turn.reset();
    progress->check();
    co_await pool->kind->copy(pool->live, std::move(wanted), std::move(origin), flags,
                              work_site_of(pool, std::move(progress)).asked_by({std::move(who), places()}));
    auto volume = co_await settle_new(pool, made, encryption);
    co_return volume;
}

void Pools::require_absent(const Pool& pool, const std::string& name) {
    const bool there = pool.volumes->contains(name);
    if (!there && !pool.uses.contains(name)) return;
    Error exists(ErrorCode::storage_vol_exist, ErrorDomain::storage,
                 fmt::format("storage volume '{}' exists already", name));
    if (!there) throw std::move(exists).because("it is being made").hint("choose another name");
    throw std::move(exists).hint(
        fmt::format("choose another name, or delete it first: 'domus vol-delete --pool {} {}'", pool.ref.name, name));
}

/// A volume that was just made: published, and the pool's sizes with it.
Task<VolumePtr> Pools::settle_new(PoolPtr pool, std::string name, std::optional<model::Encryption> encryption) {
    auto volume = co_await look_at(pool, name, Deadline::in(file_timeout));
    if (encryption && volume->target.encryption && volume->target.encryption->secrets != encryption->secrets) {
        auto known = *volume;
        known.target.encryption->secrets = encryption->secrets;
        volume = std::make_shared<const model::Volume>(std::move(known));
        publish_volume(*pool, LookOrder::Look(pool->order), name, volume);
    }
    co_await measure(pool, Deadline::in(file_timeout));
    co_return volume;
}

Task<> Pools::remove_volume(VolumeRef ref, unsigned flags) {
    constexpr unsigned zeroed = 1; // virStorageVolDeleteFlags
    const auto pool = find_active(ref.pool);
    std::optional<Turn> turn(co_await enter(pool, "vol-delete"));
    const auto known = volume(ref);
    const Occupation<PoolPtr> occupied(pool, ref.name, "deleted");
    if (!pool->kind->info().one_at_a_time) turn.reset();
    const auto site = site_of(pool, Deadline::in(file_timeout));
    const auto stand = stand_of(*pool->kind, *pool->live, *known, folders_.locks);
    Held unused;
    if (known->type == model::VolumeType::file && boot_medium_ && boot_medium_(*known->target.path)) {
        auto check = [known] { require_unwritten_to(*known); };
        co_await site.block(std::move(check));
    } else {
        unused = co_await require_unused_in_lane(known, stand, site);
    }
    if ((flags & zeroed)
        && pool->kind->can(Can::remove_volumes)) { // nothing is overwritten for a deletion that will be refused
        auto held = unused;
        if (!held) held = co_await hold_in_lane(known, stand, site);
        co_await pool->kind->wipe(pool->live, known, 0, work_site_of(pool, std::make_shared<Progress>()));
    }
    co_await pool->kind->remove_volume(pool->live, known, flags, site_of(pool, Deadline::in(file_timeout)));
    auto forget = [known] {
        if (!lockable(*known)) return;
        try {
            image::forget_lease(*known->target.path);
        } catch (const Error& error) {
            log::warning("the note beside '{}' stays: {}", *known->target.path, error.text());
        }
    };
    co_await site_of(pool, Deadline::in(file_timeout)).block(std::move(forget));
    publish_volume(*pool, LookOrder::Look(pool->order), ref.name, nullptr);
    co_await measure(pool, Deadline::in(file_timeout));
}

Task<> Pools::resize_volume(VolumeRef ref, ByteCount capacity, unsigned flags, Credentials who, ProgressPtr progress) {
    const auto pool = find_active(ref.pool);
    std::optional<Turn> turn(co_await enter(pool, "vol-resize"));
    (void)volume(ref);
    const Occupation<PoolPtr> occupied(pool, ref.name, "resized");
    if (!pool->kind->info().one_at_a_time) turn.reset();
    const auto now = co_await look_at(pool, ref.name, Deadline::in(file_timeout));
    const auto old = now->capacity.value_or(ByteCount{0});
    if (flags & resize_flag::delta && !(flags & resize_flag::shrink) && capacity.bytes > UINT64_MAX - old.bytes)
        throw Error(ErrorCode::overflow, ErrorDomain::storage, "overflow: the new capacity does not fit into 64 bits");
    if (flags & resize_flag::delta)
        capacity = {flags & resize_flag::shrink ? old.bytes - std::min(old.bytes, capacity.bytes)
                                                : old.bytes + capacity.bytes};
    if (capacity.bytes == 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage, "invalid argument: a volume has one byte at least");
    if (capacity < old && !(flags & resize_flag::shrink))
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::storage,
            "invalid argument: Can't shrink capacity below current capacity unless shrink flag explicitly specified")
            .hint(fmt::format("what lies behind the new end is lost: 'domus vol-resize {} {} --pool {} --shrink'",
                              ref.name, capacity.bytes, pool->live->name));
    // A file that we resize ourselves is held; what a program resizes it must be able to lock.
    const bool ourselves =
        now->type == model::VolumeType::file && now->target.format == "raw" && !now->target.encryption;
    const auto site = site_of(pool, Deadline::in(file_timeout));
    const auto stand = stand_of(*pool->kind, *pool->live, *now, folders_.locks);
    Held held;
    if (ourselves)
        held = co_await hold_in_lane(now, stand, site);
    else
        held = co_await require_unused_in_lane(now, stand, site);
    progress->check();
    co_await pool->kind->resize(pool->live, now, capacity, flags & ~resize_flag::delta,
                                work_site_of(pool, std::move(progress)).asked_by({std::move(who), places()}));
    (void)co_await settle_new(pool, ref.name);
}

Task<> Pools::wipe_volume(VolumeRef ref, unsigned algorithm, ProgressPtr progress) {
    const auto pool = find_active(ref.pool);
    std::optional<Turn> turn(co_await enter(pool, "vol-wipe"));
    const auto known = volume(ref);
    const Occupation<PoolPtr> occupied(pool, ref.name, "wiped");
    if (!pool->kind->info().one_at_a_time) turn.reset();
    const auto stand = stand_of(*pool->kind, *pool->live, *known, folders_.locks);
    const auto held = co_await hold_in_lane(known, stand, site_of(pool, Deadline::in(file_timeout)));
    progress->check();
    std::exception_ptr failure;
    try {
        co_await pool->kind->wipe(pool->live, known, algorithm, work_site_of(pool, progress));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) rethrow_wipe(failure, ref.name);
    (void)co_await settle_new(pool, ref.name);
}

Task<std::shared_ptr<VolumeData>> Pools::open_volume(VolumeRef ref, bool write) {
    const auto pool = find_active(ref.pool);
    const auto known = volume(ref);
    if (const auto use = pool->uses.find(ref.name); use != pool->uses.end() && !use->second.doing.empty())
        throw busy(ref.name, use->second, true);
    const auto site = site_of(pool, Deadline::in(file_timeout));
    std::shared_ptr<VolumeData> data;
    if (known->type == model::VolumeType::network) {
        const auto live = pool->live;
        const auto stand = stand_of(*pool->kind, *live, *known, folders_.locks);
        const auto both = std::make_shared<HeldData>();
        both->data = co_await pool->kind->open(live, known, site);
        if (write && stand) {
            auto work = [known, stand] {
                return std::make_shared<UniqueFd>(
                    hold_stand(*known, *stand, image::Claim{.write = true, .share = true}));
            };
            both->held = co_await site.block(std::move(work));
        }
        co_return std::shared_ptr<VolumeData>(both, both->data.get());
    }
    auto work = [known, write] {
        auto fd = open_volume_file(*known->target.path, (write ? O_RDWR : O_RDONLY) | O_NONBLOCK);
        // As a writer beside whom others of its kind may write: uploads of several parts, but no guest.
        if (write && lockable(*known) && !image::claim(fd.get(), {.write = true, .share = true}))
            throw still_in_use(*known, fd.get());
        return std::make_shared<FileData>(std::move(fd));
    };
    data = co_await site.block(std::move(work));
    co_return data;
}

Lane& Pools::lane(const std::string& pool) { return find_active(pool)->lane; }

Task<> Pools::settle(VolumeRef ref) {
    const auto known = pools_.find(ref.pool);
    if (known == pools_.end() || !known->second->volumes || !known->second->volumes->contains(ref.name)) co_return;
    const auto pool = known->second;
    if (pool->volumes->at(ref.name)->type == model::VolumeType::network) co_return; // it has the size that it had
    std::exception_ptr failure;
    try {
        (void)co_await settle_new(pool, ref.name);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("volume '{}' of pool '{}' after a transfer: {}", ref.name, ref.pool, describe(failure));
}

} // namespace domus::storage
