#include "storage/pools.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::storage {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto queue_patience = 30s;
constexpr auto file_patience = 30s; ///< for what takes moments on a file system that answers
constexpr std::size_t largest_file = 4u << 20;

Error no_pool(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_storage_pool, ErrorDomain::storage,
                 fmt::format("Storage pool not found: no storage pool with matching {} '{}'", by, what))
        .hint("see 'domus pool-list --all'");
}

Error no_volume(std::string_view by, const std::string& what) {
    return Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                 fmt::format("Storage volume not found: no storage vol with matching {} '{}'", by, what))
        .hint("'domus pool-refresh' finds what was put there by hand");
}

Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                 fmt::format("Requested operation is not valid: {}", what));
}

void require_sound(const format::Findings& findings, std::string_view what) {
    format::throw_findings(findings, ErrorDomain::storage, what);
}

model::Volume parse_volume(const std::string& xml) {
    auto volume = format::from_xml<model::Volume>(xml, ErrorDomain::storage);
    format::Findings findings;
    model::check(volume, findings);
    require_sound(findings, "<volume>");
    return volume;
}

} // namespace

struct Pools::Pool {
    Pool(Executor executor, PoolRef named)
        : ref(std::move(named)),
          jobs(executor, fmt::format("storage pool '{}'", ref.name), "wait, or look why its storage does not answer"),
          lane(executor, fmt::format("storage pool '{}'", ref.name), 4) {}

    PoolRef ref;
    const Kind* kind = nullptr;
    bool autostart = false;
    std::shared_ptr<const model::Pool> definition, live;
    std::shared_ptr<const VolumeMap> volumes;
    Mailbox jobs;
    Lane lane;

    const model::Pool& current() const { return live ? *live : *definition; }
};

Pools::Pools(Executor executor, Folders folders, std::function<void(const PoolView&, PoolEvent)> emit)
    : executor_(executor), folders_(std::move(folders)), emit_(std::move(emit)),
      files_(executor, "the definitions of storage pools", 1) {}

Pools::~Pools() = default;

// ---- looking ------------------------------------------------------------------------------------------------------

PoolView Pools::view(const Pool& pool) const {
    return {pool.ref,  pool.live != nullptr, pool.autostart, pool.definition != nullptr,
            pool.live, pool.definition,      pool.volumes};
}

std::vector<PoolView> Pools::list() const {
    std::vector<PoolView> views;
    for (const auto& [name, pool] : pools_) views.push_back(view(*pool));
    return views;
}

Pools::PoolPtr Pools::find(const PoolRef& ref) const {
    for (const auto& [name, pool] : pools_)
        if (pool->ref.uuid == ref.uuid) return pool;
    throw ref.name.empty() ? no_pool("uuid", ref.uuid.text())
                           : no_pool("uuid", fmt::format("{}' ({})", ref.uuid.text(), ref.name));
}

PoolView Pools::get(const PoolRef& ref) const {
    return view(*find(ref));
}

PoolView Pools::get_name(const std::string& name) const {
    const auto found = pools_.find(name);
    if (found == pools_.end()) throw no_pool("name", name);
    return view(*found->second);
}

Pools::PoolPtr Pools::find_active(const std::string& name) const {
    const auto found = pools_.find(name);
    if (found == pools_.end()) throw no_pool("name", name);
    if (!found->second->live)
        throw invalid(fmt::format("storage pool '{}' is not active", name))
            .hint(fmt::format("start it with 'domus pool-start {}'", name));
    return found->second;
}

VolumePtr Pools::volume(const std::string& pool, const std::string& name) const {
    const auto active = find_active(pool);
    const auto found = active->volumes->find(name);
    if (found == active->volumes->end()) throw no_volume("name", name);
    return found->second;
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

Kind::Blocking Pools::blocking(PoolPtr pool, Deadline by) const {
    return [pool, by](std::function<void()> work) -> Task<> { return pool->lane.run(by, std::move(work)); };
}

void Pools::require_own_source(const model::Pool& wanted) const {
    const auto* kind = find_kind(wanted.type);
    for (const auto& [name, pool] : pools_)
        if (pool->kind == kind && pool->ref.uuid != wanted.uuid
            && kind->source(pool->current()) == kind->source(wanted))
            throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                        fmt::format("operation failed: Storage source conflict with pool: '{}'", name))
                .because(fmt::format("both would be the {}", kind->source(wanted)))
                .hint("use that pool, or another source");
}

/// The pool that a definition is for, made if it is new. What it says is checked before.
Pools::PoolPtr Pools::admit(model::Pool wanted) {
    format::Findings findings;
    model::check(wanted, findings);
    require_sound(findings, "<pool>");
    const auto* kind = find_kind(wanted.type);
    if (!kind)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: missing backend for pool type '{}'", wanted.type))
            .hint("this version has pools of type 'dir'");
    kind->admit(wanted);
    if (wanted.name.find('/') != std::string::npos)
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: name {} cannot contain '/'", wanted.name));
    const auto same_name = pools_.find(wanted.name);
    if (same_name != pools_.end() && wanted.uuid && *wanted.uuid != same_name->second->ref.uuid)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("operation failed: pool '{}' already exists with uuid {}", wanted.name,
                                same_name->second->ref.uuid.text()))
            .hint("choose another <name>, or give that uuid to change the pool");
    for (const auto& [name, pool] : pools_)
        if (wanted.uuid && pool->ref.uuid == *wanted.uuid && name != wanted.name)
            throw Error(
                ErrorCode::operation_failed, ErrorDomain::storage,
                fmt::format("operation failed: pool '{}' is already defined with uuid {}", name, wanted.uuid->text()))
                .hint("remove <uuid> from the XML to make a new pool");
    if (!wanted.uuid) wanted.uuid = same_name != pools_.end() ? same_name->second->ref.uuid : Uuid::random();
    require_own_source(wanted);
    auto pool = same_name != pools_.end() ? same_name->second
                                          : std::make_shared<Pool>(executor_, PoolRef{wanted.name, *wanted.uuid});
    wanted.capacity = wanted.allocation = wanted.available = ByteCount{0};
    pool->kind = kind;
    pools_.emplace(wanted.name, pool);
    if (!pool->definition)
        pool->definition = std::make_shared<const model::Pool>(std::move(wanted));
    else if (!pool->live)
        pool->definition = std::make_shared<const model::Pool>(std::move(wanted));
    else
        throw invalid(fmt::format("storage pool '{}' is active", pool->ref.name))
            .hint(fmt::format("stop it to change it: 'domus pool-destroy {}'", pool->ref.name));
    return pool;
}

Task<PoolView> Pools::define(std::string xml) {
    auto wanted = format::from_xml<model::Pool>(xml, ErrorDomain::storage);
    const auto known = pools_.find(wanted.name);
    const bool fresh = known == pools_.end();
    const auto before = fresh ? nullptr : known->second->definition;
    const auto pool = admit(std::move(wanted));
    const auto text = format::to_xml(*pool->definition, {.live = false, .secrets = true});
    std::exception_ptr failure;
    try {
        auto work = [path = folders_.definitions / (pool->ref.name + ".xml"), text] {
            write_file_durably(path, text, 0600);
        };
        co_await files_.run(Deadline::in(file_patience), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        pool->definition = before;
        if (fresh) pools_.erase(pool->ref.name);
        std::rethrow_exception(failure);
    }
    auto seen = view(*pool);
    emit_(seen, PoolEvent::defined);
    co_return seen;
}

Task<PoolView> Pools::create(std::string xml, unsigned flags) {
    auto wanted = format::from_xml<model::Pool>(xml, ErrorDomain::storage);
    if (const auto known = pools_.find(wanted.name); known != pools_.end())
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("operation failed: pool '{}' already exists with uuid {}", wanted.name,
                                known->second->ref.uuid.text()))
            .hint(fmt::format("start it with 'domus pool-start {}'", wanted.name));
    const auto pool = admit(std::move(wanted));
    std::exception_ptr failure;
    try {
        co_await activate(pool, flags);
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

Task<> Pools::activate(PoolPtr pool, unsigned flags) {
    constexpr unsigned with_build = 1, overwrite = 2, no_overwrite = 4; // virStoragePoolCreateFlags
    const auto blocking_work = blocking(pool, Deadline::in(file_patience));
    std::function<void()> work = [kind = pool->kind, definition = pool->definition, flags] {
        constexpr unsigned build_overwrite = 8, build_no_overwrite = 4; // virStoragePoolBuildFlags
        const unsigned how =
            (flags & overwrite ? build_overwrite : 0) | (flags & no_overwrite ? build_no_overwrite : 0);
        if (flags & (with_build | overwrite | no_overwrite)) kind->build(*definition, how);
        kind->start(*definition);
    };
    co_await blocking_work(std::move(work));
    pool->live = pool->definition;
    std::exception_ptr failure;
    try {
        co_await look_again(pool);
        auto record = [path = folders_.state / (pool->ref.name + ".xml"),
                       text = format::to_xml(*pool->live, {.live = true, .secrets = true})] {
            replace_file(path, text, 0600);
        };
        co_await files_.run(Deadline::in(file_patience), std::move(record));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    pool->live.reset();
    pool->volumes.reset();
    std::rethrow_exception(failure);
}

/// Reads the pool's contents anew and publishes them.
Task<> Pools::look_again(PoolPtr pool) {
    const auto contents = std::make_shared<Contents>();
    std::function<void()> work = [kind = pool->kind, live = pool->live, contents] { *contents = kind->look(*live); };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    auto live = std::make_shared<model::Pool>(*pool->live);
    live->capacity = contents->capacity;
    live->allocation = contents->allocation;
    live->available = contents->available;
    auto volumes = std::make_shared<VolumeMap>();
    for (auto& volume : contents->volumes) {
        auto name = volume.name;
        volumes->emplace(std::move(name), std::make_shared<const model::Volume>(std::move(volume)));
    }
    pool->live = std::move(live);
    pool->volumes = std::move(volumes);
}

Task<> Pools::start(PoolRef ref, unsigned flags) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("start", Deadline::in(queue_patience));
    if (pool->live) throw invalid(fmt::format("storage pool '{}' is already active", pool->ref.name));
    co_await activate(pool, flags);
    emit_(view(*pool), PoolEvent::started);
}

Task<> Pools::stop(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("destroy", Deadline::in(queue_patience));
    if (!pool->live) throw invalid(fmt::format("storage pool '{}' is not active", pool->ref.name));
    std::function<void()> work = [kind = pool->kind, live = pool->live] { kind->stop(*live); };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    auto forget = [path = folders_.state / (pool->ref.name + ".xml")] {
        std::error_code ignored;
        fs::remove(path, ignored);
    };
    co_await files_.run(Deadline::in(file_patience), std::move(forget));
    pool->live.reset();
    pool->volumes.reset();
    auto seen = view(*pool);
    if (!pool->definition) pools_.erase(pool->ref.name);
    emit_(seen, PoolEvent::stopped);
}

Task<> Pools::undefine(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("undefine", Deadline::in(queue_patience));
    if (pool->live)
        throw invalid(fmt::format("storage pool '{}' is still active", pool->ref.name))
            .hint(fmt::format("stop it first: 'domus pool-destroy {}'; its volumes stay", pool->ref.name));
    auto work = [folders = folders_, name = pool->ref.name] {
        std::error_code ignored;
        fs::remove(folders.autostart / (name + ".xml"), ignored);
        remove_durably(folders.definitions / (name + ".xml"));
    };
    co_await files_.run(Deadline::in(file_patience), std::move(work));
    const auto seen = view(*pool);
    pools_.erase(pool->ref.name);
    emit_(seen, PoolEvent::undefined);
}

Task<> Pools::build(PoolRef ref, unsigned flags) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("build", Deadline::in(queue_patience));
    if (pool->live) throw invalid(fmt::format("storage pool '{}' is already active", pool->ref.name));
    std::function<void()> work = [kind = pool->kind, definition = pool->definition, flags] {
        kind->build(*definition, flags);
    };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    emit_(view(*pool), PoolEvent::created);
}

Task<> Pools::remove(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("delete", Deadline::in(queue_patience));
    if (pool->live)
        throw invalid(fmt::format("storage pool '{}' is still active", pool->ref.name))
            .hint(fmt::format("stop it first: 'domus pool-destroy {}'", pool->ref.name));
    std::function<void()> work = [kind = pool->kind, definition = pool->definition] { kind->remove(*definition); };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    emit_(view(*pool), PoolEvent::deleted);
}

Task<> Pools::refresh(PoolRef ref) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("refresh", Deadline::in(queue_patience));
    if (!pool->live) throw invalid(fmt::format("storage pool '{}' is not active", pool->ref.name));
    co_await look_again(pool);
    emit_(view(*pool), PoolEvent::refreshed);
}

Task<> Pools::set_autostart(PoolRef ref, bool on) {
    const auto pool = find(ref);
    const auto turn = co_await pool->jobs.enter("autostart", Deadline::in(queue_patience));
    if (!pool->definition)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage, "invalid argument: pool has no config file")
            .hint("a pool that was made with pool-create is not kept: use pool-define");
    auto work = [folders = folders_, name = pool->ref.name, on] {
        const auto link = folders.autostart / (name + ".xml");
        std::error_code failure;
        if (on)
            fs::create_symlink(folders.definitions / (name + ".xml"), link, failure);
        else
            fs::remove(link, failure);
        if (failure && failure != std::errc::file_exists)
            throw path_error(failure.value(), "cannot change the link", link);
    };
    co_await files_.run(Deadline::in(file_patience), std::move(work));
    pool->autostart = on;
}

// ---- volumes ------------------------------------------------------------------------------------------------------

void Pools::publish_volume(Pool& pool, VolumePtr volume) {
    auto volumes = std::make_shared<VolumeMap>(*pool.volumes);
    (*volumes)[volume->name] = std::move(volume);
    pool.volumes = std::move(volumes);
}

Task<VolumePtr> Pools::look_at(PoolPtr pool, std::string name) {
    const auto seen = std::make_shared<model::Volume>();
    std::function<void()> work = [kind = pool->kind, live = pool->live, name, seen] {
        *seen = kind->look_at(*live, name);
    };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    VolumePtr volume = seen;
    if (pool->live) publish_volume(*pool, volume);
    co_return volume;
}

Task<VolumePtr> Pools::look(VolumeRef ref) {
    const auto pool = find_active(ref.pool);
    (void)volume(ref);
    auto seen = co_await look_at(pool, ref.name);
    co_return seen;
}

Task<VolumePtr> Pools::create_volume(std::string name, std::string xml) {
    const auto pool = find_active(name);
    auto wanted = parse_volume(xml);
    const auto turn = co_await pool->jobs.enter("vol-create", Deadline::in(queue_patience));
    (void)find_active(name);
    const auto made = wanted.name;
    co_await pool->kind->create(*pool->live, std::move(wanted), blocking(pool, Deadline::never()));
    auto volume = co_await look_at(pool, made);
    co_return volume;
}

Task<VolumePtr> Pools::copy_volume(std::string name, std::string xml, VolumeRef from) {
    const auto pool = find_active(name);
    auto wanted = parse_volume(xml);
    const auto source = co_await look(from);
    const auto turn = co_await pool->jobs.enter("vol-clone", Deadline::in(queue_patience));
    (void)find_active(name);
    const auto made = wanted.name;
    co_await pool->kind->copy(*pool->live, std::move(wanted), *source, blocking(pool, Deadline::never()));
    auto volume = co_await look_at(pool, made);
    co_return volume;
}

Task<> Pools::remove_volume(VolumeRef ref) {
    const auto pool = find_active(ref.pool);
    const auto turn = co_await pool->jobs.enter("vol-delete", Deadline::in(queue_patience));
    const auto known = volume(ref);
    std::function<void()> work = [kind = pool->kind, live = pool->live, known] { kind->remove_volume(*live, *known); };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    auto volumes = std::make_shared<VolumeMap>(*pool->volumes);
    volumes->erase(ref.name);
    pool->volumes = std::move(volumes);
}

Task<> Pools::resize_volume(VolumeRef ref, ByteCount capacity, unsigned flags) {
    constexpr unsigned delta = 2;
    const auto pool = find_active(ref.pool);
    const auto turn = co_await pool->jobs.enter("vol-resize", Deadline::in(queue_patience));
    (void)volume(ref);
    const auto now = co_await look_at(pool, ref.name);
    const auto old = now->capacity.value_or(ByteCount{0});
    constexpr unsigned shrink = 4;
    if (flags & delta)
        capacity = {flags & shrink ? old.bytes - std::min(old.bytes, capacity.bytes) : old.bytes + capacity.bytes};
    if (capacity.bytes == 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage, "invalid argument: a volume has one byte at least");
    co_await pool->kind->resize(*pool->live, *now, capacity, flags & ~delta, blocking(pool, Deadline::never()));
    (void)co_await look_at(pool, ref.name);
}

Task<> Pools::wipe_volume(VolumeRef ref) {
    const auto pool = find_active(ref.pool);
    const auto turn = co_await pool->jobs.enter("vol-wipe", Deadline::in(queue_patience));
    const auto known = volume(ref);
    std::function<void()> work = [path = *known->target.path] {
        const auto fd = open_file(path, O_RDWR);
        struct stat info {};
        if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
        const std::string zeros(1u << 20, '\0');
        const auto size = static_cast<std::uint64_t>(info.st_size);
        for (std::uint64_t at = 0; at < size;) {
            const auto n = ::pwrite(fd.get(), zeros.data(), std::min<std::uint64_t>(zeros.size(), size - at),
                                    static_cast<off_t>(at));
            if (n < 0) throw path_error(errno, "cannot overwrite", path);
            at += static_cast<std::uint64_t>(n);
        }
        if (::fsync(fd.get()) < 0) throw path_error(errno, "cannot overwrite", path);
    };
    co_await pool->lane.run(Deadline::never(), std::move(work));
    (void)co_await look_at(pool, ref.name);
}

Task<UniqueFd> Pools::open_volume(VolumeRef ref, bool write) {
    const auto pool = find_active(ref.pool);
    const auto known = volume(ref);
    const auto opened = std::make_shared<UniqueFd>();
    std::function<void()> work = [path = *known->target.path, write, opened] {
        *opened = open_file(path, (write ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
    };
    co_await pool->lane.run(Deadline::in(file_patience), std::move(work));
    co_return std::move(*opened);
}

Lane& Pools::lane(const std::string& pool) {
    return find_active(pool)->lane;
}

Task<> Pools::settle(VolumeRef ref) {
    const auto known = pools_.find(ref.pool);
    if (known == pools_.end() || !known->second->live || !known->second->volumes->contains(ref.name)) co_return;
    const auto pool = known->second;
    std::exception_ptr failure;
    try {
        (void)co_await look_at(pool, ref.name);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("volume '{}' of pool '{}' after a transfer: {}", ref.name, ref.pool, describe(failure));
}

// ---- over restarts ------------------------------------------------------------------------------------------------

Task<> Pools::load() {
    struct Loaded {
        std::vector<std::tuple<model::Pool, bool>> definitions;
        std::vector<model::Pool> active;
        std::vector<std::string> complaints;
    };
    auto work = [folders = folders_] {
        for (const auto* folder : {&folders.definitions, &folders.autostart, &folders.state})
            ensure_directory(*folder, 0700);
        Loaded loaded;
        const auto read = [&](const fs::path& folder, const auto& keep) {
            for (const auto& entry : fs::directory_iterator(folder)) {
                if (entry.path().extension() != ".xml" || !entry.is_regular_file()) continue;
                try {
                    keep(format::from_xml<model::Pool>(read_file(entry.path(), largest_file), ErrorDomain::storage));
                } catch (const std::exception& error) {
                    loaded.complaints.push_back(fmt::format("left out '{}': {}", entry.path().string(), error.what()));
                }
            }
        };
        read(folders.definitions, [&](model::Pool pool) {
            const bool on = fs::is_symlink(folders.autostart / (pool.name + ".xml"));
            loaded.definitions.emplace_back(std::move(pool), on);
        });
        read(folders.state, [&](model::Pool pool) { loaded.active.push_back(std::move(pool)); });
        return loaded;
    };
    auto loaded = co_await files_.run(Deadline::never(), std::move(work));
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint);
    for (auto& [definition, on] : loaded.definitions) {
        std::string trouble;
        try {
            admit(std::move(definition))->autostart = on;
        } catch (const Error& error) {
            trouble = error.message();
        }
        if (!trouble.empty()) log::warning("a storage pool is left out: {}", trouble);
    }
    for (auto& active : loaded.active) {
        const auto what = fmt::format("taking storage pool '{}' over", active.name);
        spawn(executor_, take_over(std::move(active)), what);
    }
}

Task<> Pools::take_over(model::Pool active) {
    const bool kept = pools_.contains(active.name);
    const auto pool = kept ? pools_.at(active.name) : admit(std::move(active));
    const auto turn = co_await pool->jobs.enter("start", Deadline::in(queue_patience));
    if (pool->live) co_return;
    co_await activate(pool, 0);
    if (!kept) pool->definition.reset();
}

Task<> Pools::autostart() {
    for (const auto& seen : list()) {
        if (!seen.autostart || seen.active) continue;
        std::string trouble;
        try {
            co_await start(seen.ref, 0);
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (!trouble.empty()) log::error("cannot autostart storage pool '{}': {}", seen.ref.name, trouble);
    }
}

} // namespace domus::storage
