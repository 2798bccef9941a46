// Storage pools: starting and stopping them, and what else is done to one that is defined.
#include "cli/commands/pool.hpp"

#include "cli/commands/commands.hpp"
#include "cli/commands/storage.hpp"
#include "cli/editor.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

/// Runs a change of the pool; the words are virsh's: "Failed to start pool p", "Pool p started".
template <class Change>
void change(Call& call, const wire::StoragePool& pool, std::string_view verb, std::string_view done, std::string hint,
            Change&& what) {
    doing_in_pool(fmt::format("Failed to {} pool {}", verb, pool.name), pool.name, std::move(hint), what);
    call.out.done({{"pool", pool.name}, {"uuid", pool.uuid.text()}}, "Pool {} {}", pool.name, done);
}

std::string look_at(const wire::StoragePool& pool) {
    return fmt::format("'domus pool-dumpxml {}' shows what it is made of", pool.name);
}

void start(Call& call) {
    const auto flags = pool_build_at_start(call.args);
    const auto pool = find_pool(call);
    const auto label = fmt::format("Starting {}", pool.name);
    change(call, pool, "start", "started", look_at(pool),
           [&] { call_with_progress<Procedure::storage_pool_create>(call, label, {.pool = pool, .flags = flags}); });
}

void build(Call& call) {
    constexpr std::uint32_t no_overwrite = 4, overwrite = 8; // virStoragePoolBuildFlags
    const auto flags =
        (call.args.flag("no-overwrite") ? no_overwrite : 0) | (call.args.flag("overwrite") ? overwrite : 0);
    const auto pool = find_pool(call);
    const auto label = fmt::format("Building {}", pool.name);
    change(call, pool, "build", "built", look_at(pool),
           [&] { call_with_progress<Procedure::storage_pool_build>(call, label, {.pool = pool, .flags = flags}); });
}

void destroy(Call& call) {
    const auto pool = find_pool(call);
    change(call, pool, "destroy", "destroyed", "'domus list' shows the domains that may still use its volumes",
           [&] { call.server().call<Procedure::storage_pool_destroy>({.pool = pool}); });
}

void remove(Call& call) {
    const auto pool = find_pool(call);
    const auto label = fmt::format("Deleting {}", pool.name);
    change(call, pool, "delete", "deleted", "only what is empty can be deleted, and only while the pool does not run",
           [&] { call_with_progress<Procedure::storage_pool_delete>(call, label, {.pool = pool, .flags = 0}); });
}

void refresh(Call& call) {
    const auto pool = find_pool(call);
    const auto label = fmt::format("Looking at {}", pool.name);
    change(call, pool, "refresh", "refreshed", look_at(pool),
           [&] { call_with_progress<Procedure::storage_pool_refresh>(call, label, {.pool = pool, .flags = 0}); });
}

void undefine(Call& call) {
    const auto pool = find_pool(call);
    change(call, pool, "undefine", "has been undefined",
           fmt::format("stop it first: 'domus pool-destroy {}'", pool.name),
           [&] { call.server().call<Procedure::storage_pool_undefine>({.pool = pool}); });
}

void autostart(Call& call) {
    const bool on = !call.args.flag("disable");
    const auto pool = find_pool(call);
    const auto what = fmt::format("failed to {} pool {} as autostarted", on ? "mark" : "unmark", pool.name);
    doing_in_pool(
        what, pool.name, "only a pool with a definition can start with the host: see 'domus pool-define'",
        [&] { call.server().call<Procedure::storage_pool_set_autostart>({.pool = pool, .autostart = on ? 1 : 0}); });
    call.out.done({{"pool", pool.name}, {"autostart", on}}, "Pool {} {} as autostarted", pool.name,
                  on ? "marked" : "unmarked");
}

constexpr std::uint32_t inactive_xml = 1;

std::string xml_of(Call& call, const wire::StoragePool& pool, std::uint32_t flags) {
    return call.server().call<Procedure::storage_pool_get_xml_desc>({.pool = pool, .flags = flags}).xml;
}

void dumpxml(Call& call) {
    const auto pool = find_pool(call);
    print_xml(call, xml_of(call, pool, call.args.flag("inactive") ? inactive_xml : 0));
}

void edit(Call& call) {
    const auto pool = find_pool(call);
    constexpr std::uint32_t validate_document = 1; // VIR_STORAGE_POOL_DEFINE_VALIDATE
    const auto store = [&](const std::string& xml, bool validate) {
        call.server().call<Procedure::storage_pool_define_xml>({.xml = xml, .flags = validate ? validate_document : 0});
    };
    const bool changed = edit_object({.fetch = [&] { return xml_of(call, pool, inactive_xml); }, .store = store});
    call.out.done({{"pool", pool.name}, {"changed", changed}}, "Pool {} XML configuration {}.", pool.name,
                  changed ? "edited" : "not changed");
}

std::vector<Command> running_commands() {
    auto start_options = std::vector<Option>{the_pool(Complete::stopped_pool)};
    for (auto& option : pool_build_options()) start_options.push_back(option);
    return {
        {.name = "pool-start",
         .summary = "start a defined pool",
         .about = "Makes its volumes available: mounts, logs in or activates what the pool consists of, and scans it.",
         .options = start_options,
         .run = start},
        {.name = "pool-destroy",
         .summary = "stop a pool",
         .about = "Its volumes become unavailable; their contents are kept.",
         .options = {the_pool(Complete::running_pool)},
         .run = destroy},
        {.name = "pool-refresh",
         .summary = "rescan a pool's volumes",
         .about = "Finds volumes that were created or removed by other programs.",
         .options = {the_pool(Complete::running_pool)},
         .run = refresh},
        {.name = "pool-autostart",
         .summary = "start a pool when the host boots",
         .options = {the_pool(), flag("disable", "disable autostart")},
         .run = autostart},
    };
}

std::vector<Command> keeping_commands() {
    return {
        {.name = "pool-build",
         .summary = "build a pool's storage",
         .about = "Creates the folder, the file system or the volume group of a pool that is defined and inactive.",
         .options = {the_pool(Complete::stopped_pool), flag("no-overwrite", "fail if there is any data already"),
                     flag("overwrite", "overwrite any data that is there")},
         .run = build},
        {.name = "pool-delete",
         .summary = "delete a pool's storage",
         .about =
             "Deletes the folder or the volume group of an inactive pool. The definition is kept: see pool-undefine.",
         .options = {the_pool(Complete::stopped_pool)},
         .run = remove},
        {.name = "pool-undefine",
         .summary = "remove a pool's definition",
         .about = "The pool's contents are kept.",
         .options = {the_pool(Complete::stopped_pool)},
         .run = undefine},
        {.name = "pool-dumpxml",
         .summary = "print a pool's XML",
         .options = {the_pool(), flag("inactive", "print the definition"), xpath_option(), wrap_option()},
         .run = dumpxml},
        {.name = "pool-edit",
         .summary = "edit a pool's XML",
         .about = "Opens the definition in $VISUAL or $EDITOR and defines the saved text.",
         .options = {the_pool()},
         .run = edit},
    };
}

} // namespace

std::vector<Command> pool_commands() {
    std::vector<Command> all;
    for (const auto part :
         {running_commands, keeping_commands, pool_reading_commands, pool_defining_commands, pool_event_commands})
        for (auto& command : part()) all.push_back(std::move(command));
    for (auto& command : all) command.group = Group::pool;
    return all;
}

} // namespace domus::cli
