#include "storage/pools.hpp"

#include "async/read_document.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "model/pool_types.hpp"
#include "model/unsupported.hpp"
#include "storage/pool_entry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

Error no_pool(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_storage_pool, ErrorDomain::storage,
                 fmt::format("Storage pool not found: no storage pool with matching {} '{}'", by, what))
        .hint("see 'domus pool-list --all'");
}

Error no_pool(const PoolRef& ref) {
    return ref.name.empty() ? no_pool("uuid", ref.uuid.text())
                            : no_pool("uuid", fmt::format("{}' ({})", ref.uuid.text(), ref.name));
}

std::vector<std::string_view> kind_names() {
    std::vector<std::string_view> names;
    for (const auto* kind : all_kinds()) names.push_back(kind->name());
    return names;
}

Error taken(const PoolRef& by) {
    return Error(ErrorCode::operation_failed, ErrorDomain::storage,
                 fmt::format("operation failed: pool '{}' already exists with uuid {}", by.name, by.uuid.text()))
        .hint("choose another <name>, or give that uuid to change the pool");
}

/// libvirt has kinds that this version has not.
Error no_kind(const std::string& type) {
    const bool known = std::ranges::find(model::pool_types, type) != model::pool_types.end();
    return Error(known ? ErrorCode::config_unsupported : ErrorCode::xml_error, ErrorDomain::storage,
                 known ? fmt::format("unsupported configuration: missing backend for pool type '{}'", type)
                       : fmt::format("XML error: Invalid value for attribute 'type' in element 'pool': '{}'.", type))
        .hint(fmt::format("this version has: {}", fmt::join(kind_names(), ", ")));
}

/// Of kinds whose source has one; "auto" and "unknown" leave it to the kind.
void require_known_format(const Kind& kind, const std::optional<std::string>& format) {
    const auto& formats = kind.info().source_formats;
    if (!format || formats.empty() || *format == "auto" || *format == "unknown"
        || std::ranges::find(formats, *format) != formats.end())
        return;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                fmt::format("unsupported configuration: unknown pool format type {}", *format))
        .hint(fmt::format("pools of type '{}' have: {}", kind.name(), fmt::join(formats, ", ")));
}

void require_one_way(unsigned flags) {
    if ((flags & build_flag::overwrite) && (flags & build_flag::no_overwrite))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                    "invalid argument: --overwrite and --no-overwrite exclude each other");
}

void require_sound(const format::Findings& findings, std::string_view what) {
    format::throw_findings(findings, ErrorDomain::storage, what);
}

} // namespace

Pools::Pools(Executor executor, Folders folders, Site::Secrets secrets,
             std::function<void(const PoolView&, PoolEvent)> emit)
    : executor_(executor), folders_(std::move(folders)), definitions_({folders_.definitions, folders_.autostart}),
      secrets_(std::move(secrets)), emit_(std::move(emit)), files_(executor, "the definitions of storage pools", 1) {}

Pools::~Pools() = default;

// ---- looking ------------------------------------------------------------------------------------------------------

PoolView Pools::view(const Pool& pool) const {
    // It begins to be active when its volumes are known.
    return {pool.ref,  pool.volumes != nullptr, pool.autostart, pool.definition != nullptr,
            pool.live, pool.definition,         pool.volumes};
}

std::vector<PoolView> Pools::list() const {
    std::vector<PoolView> views;
    for (const auto& [name, pool] : pools_) views.push_back(view(*pool));
    return views;
}

Pools::PoolPtr Pools::find(const PoolRef& ref) const {
    for (const auto& [name, pool] : pools_)
        if (pool->ref.uuid == ref.uuid) return pool;
    throw no_pool(ref);
}

PoolView Pools::get(const PoolRef& ref) const { return view(*find(ref)); }

PoolView Pools::get_name(const std::string& name) const {
    const auto found = pools_.find(name);
    if (found == pools_.end()) throw no_pool("name", name);
    return view(*found->second);
}

Pools::PoolPtr Pools::find_active(const std::string& name) const {
    const auto found = pools_.find(name);
    if (found == pools_.end()) throw no_pool("name", name);
    if (!found->second->volumes) throw inactive(name);
    return found->second;
}

VolumePtr Pools::volume(const std::string& pool, const std::string& name) const {
    const auto active = find_active(pool);
    const auto found = active->volumes->find(name);
    if (found != active->volumes->end()) return found->second;
    if (const auto use = active->uses.find(name); use != active->uses.end()) throw busy(name, use->second, false);
    throw no_volume("name", name);
}

VolumePtr Pools::volume_or_made(const VolumeRef& ref) const {
    const auto active = find_active(ref.pool);
    const auto made = active->in_the_making(ref.name);
    return made ? made : volume(ref);
}

Task<Place> Pools::place(std::string pool, std::string name, std::optional<model::VolumeMode> mode) {
    co_await freshen(pool);
    const auto found = pools_.find(pool);
    if (found == pools_.end()) throw no_pool("name", pool);
    if (!found->second->volumes)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: storage pool '{}' containing volume '{}' is not active",
                                pool, name))
            .hint(fmt::format("start it with 'domus pool-start {}'", pool));
    const auto known = volume(pool, name);
    co_return found->second->kind->place(*found->second->live, *known, mode);
}

std::pair<PoolRef, VolumePtr> Pools::find_key(const std::string& key) const {
    for (const auto& [name, pool] : pools_)
        if (pool->volumes)
            for (const auto& [volume_name, volume] : *pool->volumes)
                if (volume->key == key) return {pool->ref, volume};
    throw no_volume("key", key);
}

std::pair<PoolRef, VolumePtr> Pools::find_path(const std::string& path) const {
    const auto clean = fs::path(path).lexically_normal().string();
    for (const auto& [name, pool] : pools_)
        if (pool->volumes)
            for (const auto& [volume_name, volume] : *pool->volumes)
                if (volume->target.path == clean) return {pool->ref, volume};
    throw no_volume("path", path);
}

// ---- the life of pools --------------------------------------------------------------------------------------------

void Pools::require_own_source(const model::Pool& wanted) const {
    const auto* kind = find_kind(wanted.type);
    const auto clashes = [&](const auto& one) { return one && kind->source(*one) == kind->source(wanted); };
    for (const auto& [name, pool] : pools_)
        if (pool->kind == kind && pool->ref.uuid != wanted.uuid && (clashes(pool->live) || clashes(pool->definition)))
            throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                        fmt::format("operation failed: Storage source conflict with pool: '{}'", name))
                .because(fmt::format("both would be the {}", kind->source(wanted)))
                .hint("use that pool, or another source");
}

/// Whether that can be a pool beside the others; one that has no identity gets one. Its kind.
const Kind& Pools::judge(model::Pool& wanted) const {
    format::Findings findings;
    model::check(wanted, findings);
    model::find_unsupported(wanted, findings);
    require_sound(findings, "<pool>");
    const auto* kind = find_kind(wanted.type);
    if (!kind) throw no_kind(wanted.type);
    require_known_format(*kind, wanted.source.format);
    kind->admit(wanted);
    if (wanted.source.auth && !kind->info().logs_in) // as with libvirt, it stays in the definition
        log::warning("storage pool '{}': <auth> has no meaning for type '{}', which logs in nowhere", wanted.name,
                     wanted.type);
    const auto same_name = pools_.find(wanted.name);
    // Without a uuid it would be a new pool.
    if (same_name != pools_.end() && wanted.uuid != same_name->second->ref.uuid) throw taken(same_name->second->ref);
    for (const auto& [name, pool] : pools_)
        if (wanted.uuid && pool->ref.uuid == *wanted.uuid && name != wanted.name)
            throw Error(
                ErrorCode::operation_failed, ErrorDomain::storage,
                fmt::format("operation failed: pool '{}' is already defined with uuid {}", name, wanted.uuid->text()))
                .hint("remove <uuid> from the XML to make a new pool");
    if (!wanted.uuid) wanted.uuid = Uuid::random();
    require_own_source(wanted);
    wanted.capacity = wanted.allocation = wanted.available = ByteCount{0};
    return *kind;
}

/// Whose rights count for a pool that `who` asks for; nothing for the daemon's own. Throws operation_denied.
std::optional<Credentials> Pools::owner_for(std::string_view type, const Credentials& who) const {
    const auto* kind = find_kind(type);
    if (who.unrestricted() || !kind || kind->info().reach == Reach::server) return std::nullopt;
    if (kind->info().reach == Reach::folder) return who;
    if (device_users_.includes(who)) return std::nullopt;
    throw Error(
        ErrorCode::operation_denied, ErrorDomain::storage,
        fmt::format("operation denied: pools of type '{}' reach devices and mounts of the host, which uid {} may not",
                    type, who.uid))
        .hint("root can define it, for everybody to use, or name the user in [rights] host_devices of domus.toml");
}

/// Where `who` builds or removes a pool, which is no use of it that others share.
Site Pools::site_for(const PoolPtr& pool, Deadline by, const Credentials& who) const {
    const auto own = pool->owner ? pool->owner : owner_for(pool->kind->name(), who);
    return Site(std::shared_ptr<Lane>(pool, &pool->lane), by, pool->secrets, own.value_or(own_credentials()));
}

PoolPlaces Pools::places() const {
    PoolPlaces places;
    for (const auto& [name, pool] : pools_) {
        if (!pool->live || !pool->volumes) continue;
        if (pool->kind->info().holds_files && pool->live->target) {
            places.folders.emplace(*pool->live->target, pool->acting.value_or(own_credentials()));
            continue;
        }
        for (const auto& [volume_name, volume] : *pool->volumes)
            if (volume->type == model::VolumeType::block && volume->target.path)
                places.devices.insert(*volume->target.path);
    }
    return places;
}

/// The pool that a definition is for, made if it is new. What it says is checked before.
Pools::PoolPtr Pools::admit(model::Pool wanted, std::optional<Credentials> owner) {
    const auto& kind = judge(wanted);
    const auto known = pools_.find(wanted.name);
    if (known != pools_.end()) require_same_kind(*known->second, kind);
    const auto pool = known != pools_.end()
                          ? known->second
                          : std::make_shared<Pool>(executor_, PoolRef{wanted.name, *wanted.uuid}, secrets_);
    pool->kind = &kind;
    pools_.emplace(wanted.name, pool);
    pool->definition = std::make_shared<const model::Pool>(std::move(wanted)); // while it is active, for the next time
    pool->owner = std::move(owner);
    return pool;
}

/// A turn of a pool that is still there when it comes: somebody before may have taken the pool away.
Task<Turn> Pools::enter(PoolPtr pool, std::string job) {
    auto turn = co_await pool->jobs.enter(std::move(job), Deadline::in(queue_timeout));
    const auto found = pools_.find(pool->ref.name);
    if (found == pools_.end() || found->second != pool) throw no_pool(pool->ref);
    co_return turn;
}

/// A turn of the pool that has that name when it comes; nothing if none has.
Task<std::optional<Turn>> Pools::enter_named(std::string name, std::string job) {
    std::optional<Turn> turn;
    for (PoolPtr waited_for;;) {
        const auto found = pools_.find(name);
        if (found != pools_.end() && found->second == waited_for) co_return turn;
        turn.reset();
        if (found == pools_.end()) co_return turn;
        waited_for = found->second;
        turn.emplace(co_await waited_for->jobs.enter(job, Deadline::in(queue_timeout)));
    }
}

/// An active pool goes on as what it is.
void Pools::require_same_kind(const Pool& pool, const Kind& kind) {
    if (!pool.live || pool.kind == &kind) return;
    throw invalid(fmt::format("storage pool '{}' is active, as one of type '{}'", pool.ref.name, pool.kind->name()))
        .hint(fmt::format("stop it to change its type: 'domus pool-destroy {}'", pool.ref.name));
}

Task<model::Pool> Pools::read(std::string xml, format::Reading how) {
    const auto size = xml.size();
    auto work = [xml = std::move(xml), how] { return format::from_xml<model::Pool>(xml, ErrorDomain::storage, how); };
    auto wanted = co_await read_document(files_, size, Deadline::in(file_timeout), std::move(work));
    co_return wanted;
}

Task<PoolView> Pools::define(std::string xml, bool strictly, Credentials who) {
    auto wanted = co_await read(std::move(xml), format::reading(strictly));
    auto turn = co_await enter_named(wanted.name, "define");
    const auto known = pools_.find(wanted.name);
    const bool fresh = known == pools_.end();
    const auto before = fresh ? nullptr : known->second->definition;
    const auto* kind_before = fresh ? nullptr : known->second->kind;
    const auto owner_before = fresh ? std::nullopt : known->second->owner;
    auto owner = owner_for(wanted.type, who);
    const auto pool = admit(std::move(wanted), std::move(owner));
    if (fresh) turn.emplace(co_await pool->jobs.enter("define", Deadline::in(queue_timeout))); // nobody else has it yet
    const auto text = format::to_xml(*pool->definition, {.live = false, .secrets = true}) + owner_mark(pool->owner);
    std::exception_ptr failure;
    try {
        auto work = [store = definitions_, name = pool->ref.name, text, unread = before == nullptr] {
            store.save(name, text, unread);
        };
        co_await files_.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        pool->definition = before;
        pool->kind = kind_before;
        pool->owner = owner_before;
        if (fresh) pools_.erase(pool->ref.name);
        std::rethrow_exception(failure);
    }
    auto seen = view(*pool);
    emit_(seen, PoolEvent::defined);
    co_return seen;
}

void Pools::check(const std::string& xml) const {
    auto wanted = format::from_xml<model::Pool>(xml, ErrorDomain::storage);
    const auto& kind = judge(wanted);
    const auto known = pools_.find(wanted.name);
    if (known != pools_.end()) require_same_kind(*known->second, kind);
}

Task<PoolView> Pools::create(std::string xml, unsigned flags, Credentials who) {
    auto wanted = co_await read(std::move(xml), format::Reading::lenient);
    if (pools_.contains(wanted.name)) {
        auto seen = co_await create_as(std::move(wanted), flags, who);
        co_return seen;
    }
    auto owner = owner_for(wanted.type, who);
    const auto pool = admit(std::move(wanted), std::move(owner));
    const auto as = pool->definition;
    const auto turn = co_await pool->jobs.enter("create", Deadline::in(queue_timeout)); // nobody else has it yet
    std::exception_ptr failure;
    try {
        co_await activate(pool, as, pool->owner, flags, who);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        pools_.erase(pool->ref.name);
        std::rethrow_exception(failure);
    }
    pool->definition.reset(); // it lives as long as it is active
    auto seen = view(*pool);
    emit_(seen, PoolEvent::started);
    co_return seen;
}

/// Starts a pool that is kept as something else, this once.
Task<PoolView> Pools::create_as(model::Pool wanted, unsigned flags, Credentials who) {
    const auto& kind = judge(wanted);
    const auto pool = pools_.at(wanted.name);
    const auto turn = co_await enter(pool, "start");
    if (pool->live) throw already_active(*pool);
    if (pool->kind != &kind) throw taken(pool->ref);
    const auto as = std::make_shared<const model::Pool>(std::move(wanted));
    co_await activate(pool, as, owner_for(kind.name(), who), flags, who);
    auto seen = view(*pool);
    emit_(seen, PoolEvent::started);
    co_return seen;
}

Task<> Pools::activate(PoolPtr pool, Definition as, std::optional<Credentials> acting, unsigned flags,
                       Credentials who) {
    constexpr unsigned with_build = 1, overwrite = 2, no_overwrite = 4; // virStoragePoolCreateFlags
    const unsigned how =
        (flags & overwrite ? build_flag::overwrite : 0) | (flags & no_overwrite ? build_flag::no_overwrite : 0);
    require_one_way(how);
    if (flags & (with_build | overwrite | no_overwrite))
        co_await pool->kind->build(as, how, site_for(pool, Deadline::never(), who));
    pool->acting = std::move(acting);
    co_await pool->kind->start(as, site_of(pool, Deadline::in(file_timeout)));
    pool->live = as;
    std::exception_ptr failure;
    try {
        co_await look_again(pool, Deadline::in(file_timeout));
        co_await save_record(pool);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    pool->live.reset();
    pool->volumes.reset();
    pool->watch.reset();
    std::exception_ptr more;
    try {
        co_await pool->kind->stop(as, site_of(pool, Deadline::in(file_timeout)));
    } catch (...) {
        more = std::current_exception();
    }
    if (more) log::warning("storage pool '{}' after a start that failed: {}", pool->ref.name, describe(more));
    std::rethrow_exception(failure);
}

Task<> Pools::start(PoolRef ref, unsigned flags, Credentials who) {
    const auto pool = find(ref);
    const bool started = co_await start_if_stopped(ref, flags, std::move(who));
    if (!started) throw already_active(*pool);
}

Task<bool> Pools::start_if_stopped(PoolRef ref, unsigned flags, Credentials who) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "start");
    if (pool->live) co_return false;
    co_await activate(pool, pool->definition, pool->owner, flags, who);
    emit_(view(*pool), PoolEvent::started);
    co_return true;
}

/// With libvirt's code and words.
void Pools::require_idle(const Pool& pool) {
    if (pool.uses.empty()) return;
    const auto& [volume, use] = *pool.uses.begin();
    throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                fmt::format("internal error: pool '{}' has asynchronous jobs running.", pool.ref.name))
        .because(fmt::format("volume '{}' is being {}", volume, use.text()))
        .hint("wait until that has ended");
}

Task<> Pools::stop(PoolRef ref) {
    const auto pool = find(ref);
    require_idle(*pool);
    const auto turn = co_await enter(pool, "destroy");
    require_idle(*pool);
    if (!pool->live) throw invalid(fmt::format("storage pool '{}' is not active", pool->ref.name));
    co_await pool->kind->stop(pool->live, site_of(pool, Deadline::in(file_timeout)));
    co_await forget_record(pool->ref.name);
    pool->live.reset();
    pool->volumes.reset();
    pool->watch.reset();
    auto seen = view(*pool);
    if (!pool->definition) pools_.erase(pool->ref.name);
    emit_(seen, PoolEvent::stopped);
}

Task<> Pools::undefine(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "undefine");
    if (pool->live)
        throw invalid(fmt::format("storage pool '{}' is still active", pool->ref.name))
            .hint(fmt::format("stop it first: 'domus pool-destroy {}'; its volumes stay", pool->ref.name));
    auto work = [store = definitions_, name = pool->ref.name, record = folders_.state / (pool->ref.name + ".xml")] {
        store.remove(name);
        std::error_code ignored;
        fs::remove(record, ignored); // of one that could not be taken over
    };
    co_await files_.run(Deadline::in(file_timeout), std::move(work));
    const auto seen = view(*pool);
    pools_.erase(pool->ref.name);
    emit_(seen, PoolEvent::undefined);
}

Task<> Pools::build(PoolRef ref, unsigned flags, Credentials who, ProgressPtr progress) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "build");
    if (pool->live) throw already_active(*pool);
    require_one_way(flags);
    progress->check();
    co_await pool->kind->build(pool->definition, flags,
                               site_for(pool, Deadline::never(), who).reporting(std::move(progress)));
    emit_(view(*pool), PoolEvent::created);
}

Task<> Pools::remove(PoolRef ref, Credentials who) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "delete");
    if (pool->live)
        throw invalid(fmt::format("storage pool '{}' is still active", pool->ref.name))
            .hint(fmt::format("stop it first: 'domus pool-destroy {}'", pool->ref.name));
    co_await pool->kind->remove(pool->definition, site_for(pool, Deadline::in(file_timeout), who));
    emit_(view(*pool), PoolEvent::deleted);
}

Task<> Pools::refresh(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "refresh");
    if (!pool->live) throw invalid(fmt::format("storage pool '{}' is not active", pool->ref.name));
    co_await look_again(pool, Deadline::in(file_timeout));
    emit_(view(*pool), PoolEvent::refreshed);
}

Task<> Pools::set_autostart(PoolRef ref, bool on) {
    const auto pool = find(ref);
    const auto turn = co_await enter(pool, "autostart");
    if (!pool->definition)
        throw Error(ErrorCode::internal_error, ErrorDomain::storage, "internal error: pool has no config file")
            .hint("a pool that was made with pool-create is not kept: use pool-define");
    auto work = [store = definitions_, name = pool->ref.name, on] { store.set_autostart(name, on); };
    co_await files_.run(Deadline::in(file_timeout), std::move(work));
    pool->autostart = on;
}

Task<std::vector<model::PoolSource>> Pools::find_sources(std::string type, std::string xml) {
    const auto* kind = find_kind(type);
    if (!kind)
        throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                    fmt::format("internal error: unknown storage pool type {}", type))
            .hint(fmt::format("this version has: {}", fmt::join(kind_names(), ", ")));
    model::PoolSource wanted;
    if (!xml.empty()) wanted = format::from_xml<model::PoolSource>(xml, ErrorDomain::storage);
    const auto lane = std::make_shared<Lane>(executor_, fmt::format("looking for storage of type '{}'", type), 1);
    auto found = co_await kind->find_sources(std::move(wanted), Site(lane, Deadline::in(file_timeout)));
    co_return found;
}

} // namespace domus::storage
