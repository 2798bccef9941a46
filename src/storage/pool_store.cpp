// Pools over restarts of the daemon: definitions, records of those that are active, autostart.
#include "storage/pool_entry.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file = 4u << 20;

} // namespace

Task<> Pools::save_record(PoolPtr pool) {
    auto record = [path = folders_.state / (pool->ref.name + ".xml"), text = format::to_xml(*pool->live, {.live = true, .secrets = true})] {
        replace_file(path, text, 0600);
    };
    co_await files_.run(Deadline::in(file_patience), std::move(record));
}

Task<> Pools::forget_record(std::string name) {
    auto forget = [path = folders_.state / (name + ".xml")] {
        std::error_code ignored;
        fs::remove(path, ignored);
    };
    co_await files_.run(Deadline::in(file_patience), std::move(forget));
}

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
    // What it is kept as may have changed while it was active; what it is, stays until it is stopped.
    const auto record = std::make_shared<const model::Pool>(active);
    const auto pool = kept ? pools_.at(active.name) : admit(std::move(active));
    const auto turn = co_await enter(pool, "start");
    if (pool->live) co_return;
    std::exception_ptr failure;
    try {
        co_await activate(pool, kept && record->type == pool->kind->name() ? record : pool->definition, 0);
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
