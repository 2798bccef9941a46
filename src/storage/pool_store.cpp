// Pools over restarts of the daemon: definitions, records of those that are active, autostart.
#include "storage/pool_entry.hpp"

#include "async/signal.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "os/stored_files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace domus::storage {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct ReadPool {
    model::Pool pool;
    std::optional<Credentials> owner;
};

ReadPool read_pool(const std::string& name, const std::string& text) {
    ReadPool read{format::from_xml<model::Pool>(text, ErrorDomain::storage), read_owner_mark(text)};
    const auto& pool = read.pool;
    if (pool.name == name) return read;
    throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                fmt::format("the file is not named after the pool '{}' in it", pool.name));
}

ReadPool read_definition(const std::string& name, const std::string& text) {
    auto read = read_pool(name, text);
    if (!read.pool.uuid) read.pool.uuid = Uuid::random();
    return read;
}

} // namespace

Task<> Pools::save_record(PoolPtr pool) {
    auto record = [folder = folders_.state, name = pool->ref.name,
                   text = format::to_xml(*pool->live, {.live = true, .secrets = true}) + owner_mark(pool->acting)] {
        StoredFolder(folder, largest_record).replace(name, text);
    };
    co_await files_.run(Deadline::in(file_timeout), std::move(record));
}

Task<> Pools::forget_record(std::string name) {
    auto forget = [path = folders_.state / (name + ".xml")] {
        std::error_code ignored;
        fs::remove(path, ignored);
    };
    co_await files_.run(Deadline::in(file_timeout), std::move(forget));
}

Task<> Pools::load() {
    struct Loaded {
        LoadedDefinitions<ReadPool> kept;
        std::vector<Stored<ReadPool>> active;
        std::vector<First> wanting; ///< of the first pools: those that were never made
    };
    auto work = [folders = folders_, store = definitions_] {
        store.prepare();
        ensure_directory(folders.state, 0700);
        if (!folders.library.empty()) remove_leftovers(folders.library / "storage");
        Loaded loaded;
        loaded.kept = store.load(read_definition, [](const ReadPool& read) { return *read.pool.uuid; });
        log_complaints(loaded.kept.complaints);
        StoredFolder records(folders.state, largest_record);
        loaded.active = records.load(read_pool);
        log_complaints(records.complaints());
        std::error_code failure;
        for (auto& first : first_pools(folders)) // whoever removes one of them does not get it again
            if (!fs::exists(folders.library / first.mark(), failure)) loaded.wanting.push_back(std::move(first));
        return loaded;
    };
    auto loaded = co_await files_.run(Deadline::never(), std::move(work));
    std::vector<std::pair<std::string, std::string>> refused;
    for (auto& [name, read, autostart] : loaded.kept.definitions) {
        try {
            admit(std::move(read.pool), std::move(read.owner))->autostart = autostart;
        } catch (const Error& error) {
            refused.emplace_back(name, error.message());
        }
    }
    auto end = [store = definitions_, refused] {
        for (const auto& [name, why] : refused) log_complaints({store.reject(name, why)});
    };
    co_await files_.run(Deadline::never(), std::move(end));
    for (auto& first : loaded.wanting) co_await define_first(std::move(first));
    for (auto& [name, active] : loaded.active)
        spawn(executor_, take_over(std::move(active.pool), std::move(active.owner)),
              fmt::format("taking storage pool '{}' over", name));
}

std::vector<Pools::First> Pools::first_pools(const Folders& folders) {
    std::vector<First> all;
    if (folders.library.empty()) return all;
    all.push_back({"default", folders.library / "images"});
    // virt-install has the path in its source, takes the pool that has it as its target, and does not make the folder.
    if (!folders.boot.empty()) all.push_back({"boot-scratch", folders.boot});
    return all;
}

/// As with the network "default". A failure keeps nobody from starting.
Task<> Pools::define_first(First first) {
    model::Pool wanted;
    wanted.name = first.name;
    wanted.type = kind_of_folders().name();
    wanted.target = first.folder.string();
    std::exception_ptr failure;
    try {
        auto make = [library = folders_.library, first] {
            ensure_directory_durably(first.folder, 0711);
            ensure_directory_durably(library / "storage", 0700);
            write_file_durably(library / first.mark(), "", 0644);
        };
        const bool there = std::ranges::any_of(pools_, [&](const auto& entry) {
            return entry.first == wanted.name || entry.second->definition->target == wanted.target;
        });
        co_await files_.run(Deadline::in(file_timeout), std::move(make));
        if (there) co_return;
        const auto made = co_await define(format::to_xml(wanted));
        co_await set_autostart(made.ref, true);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("the storage pool '{}' is not made: {}", wanted.name, describe(failure));
}

/// The record of a pool as it is taken over, which meets all that a definition does; null if it is of none, with `fault`.
Definition Pools::judge_record(model::Pool active, std::string& fault) const {
    try {
        (void)judge(active);
        return std::make_shared<const model::Pool>(std::move(active));
    } catch (const Error& error) {
        fault = error.message();
        return nullptr;
    }
}

Task<> Pools::set_record_aside(std::string name, std::string fault) {
    auto work = [folder = folders_.state, name, fault] {
        StoredFolder records(folder, largest_record);
        records.reject(name, fault);
        log_complaints(records.complaints());
    };
    co_await files_.run(Deadline::in(file_timeout), std::move(work));
}

Task<> Pools::take_over(model::Pool active, std::optional<Credentials> owner) {
    const auto known = pools_.find(active.name);
    const bool kept = known != pools_.end();
    auto pool = kept ? known->second : nullptr;
    if (kept) active.uuid = pool->ref.uuid; // what differs is damage
    const auto name = active.name;
    std::string fault;
    // What it is kept as may have changed while it was active; what it is, stays until it is stopped.
    const auto record = judge_record(std::move(active), fault);
    if (!kept && record) pool = admit(*record, owner);
    if (!record) co_await set_record_aside(name, fault);
    if (!pool) co_return;
    const auto turn = co_await enter(pool, "start");
    if (pool->live) co_return;
    std::exception_ptr failure;
    try {
        const bool as_recorded = kept && record && record->type == pool->kind->name();
        co_await activate(pool, as_recorded ? record : pool->definition, as_recorded ? owner : pool->owner, 0,
                          own_credentials());
    } catch (...) {
        failure = std::current_exception();
    }
    if (!kept && failure) { // it lived as long as it was active
        pools_.erase(pool->ref.name);
        co_await forget_record(pool->ref.name);
    }
    if (failure) std::rethrow_exception(failure);
    if (!kept) pool->definition.reset();
}

struct Pools::Autostart {
    explicit Autostart(Executor executor) : done(std::move(executor)) {}
    std::set<std::string> starting;
    Notice done;
};

/// Side by side, since one may wait for a server.
Task<> Pools::autostart() {
    constexpr auto longest_wait = 30s;
    const auto all = std::make_shared<Autostart>(executor_);
    for (const auto& seen : list()) {
        if (!seen.autostart || seen.active) continue;
        all->starting.insert(seen.ref.name);
        spawn(executor_, autostart_one(all, seen.ref), fmt::format("autostart of storage pool '{}'", seen.ref.name));
    }
    const auto by = Deadline::in(longest_wait);
    while (!all->starting.empty() && !by.expired()) (void)co_await all->done.wait(by);
    if (!all->starting.empty())
        log::warning("storage pools that still start after {} s: '{}'; what uses none of them starts now",
                     longest_wait.count(), fmt::join(all->starting, "', '"));
}

Task<> Pools::autostart_one(std::shared_ptr<Autostart> all, PoolRef ref) {
    std::string trouble;
    try {
        auto self = own_credentials();
        (void)co_await start_if_stopped(ref, 0, std::move(self)); // it may just have been taken over
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!trouble.empty()) log::error("cannot autostart storage pool '{}': {}", ref.name, trouble);
    all->starting.erase(ref.name);
    all->done.notify_all();
}

} // namespace domus::storage
