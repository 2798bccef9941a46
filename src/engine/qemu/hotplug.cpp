#include "engine/qemu/hotplug.hpp"

#include "base/log.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/plug.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto tray_timeout = 5s; ///< for the guest to unlock a drive

Task<json::value> ask_sets(MonitorPtr monitor) {
    return monitor->execute("query-fdsets", {}, Deadline::in(monitor_timeout));
}

/// The first set of descriptors that QEMU does not have.
unsigned free_set(const json::value& sets) {
    unsigned next = 1;
    for (const auto& set : sets.as_array())
        next = std::max(next, set.as_object().at("fdset-id").to_number<unsigned>() + 1);
    return next;
}

/// Sets that were passed for a device.
std::vector<MonitorCommand> sets_of(const json::value& sets, std::string_view alias) {
    std::vector<MonitorCommand> commands;
    for (const auto& set : sets.as_array())
        for (const auto& fd : set.as_object().at("fds").as_array()) {
            const auto* opaque = fd.as_object().if_contains("opaque");
            if (!opaque || *opaque != json::string_view(alias)) continue;
            commands.push_back({"remove-fd", {{"fdset-id", set.as_object().at("fdset-id")}}});
            break;
        }
    return commands;
}

/// By alias: QEMU's name of a stream is "char" and the alias.
using Terminals = std::map<std::string, std::string>;

void note_terminal(const PlugStep& step, const json::value& answer, Terminals& terminals) {
    constexpr std::string_view prefix = "char";
    if (step.command.name != "chardev-add" || !answer.is_object()) return;
    const auto* path = answer.as_object().if_contains("pty");
    if (!path) return;
    const std::string id(step.command.arguments.at("id").as_string());
    if (id.starts_with(prefix)) terminals[id.substr(prefix.size())] = std::string(path->as_string());
}

/// Whether a volume was on a server, and so had one, is not known any more.
bool is_lease(const MonitorCommand& command) {
    const auto* node = command.arguments.if_contains("node-name");
    return command.name == "blockdev-del" && node && node->as_string().ends_with("-lease");
}

bool is_absent(std::exception_ptr trouble) { return describe(trouble).contains("Failed to find node"); }

/// One after the other, whatever becomes of each.
Task<> take_back(MonitorPtr monitor, std::vector<MonitorCommand> commands) {
    for (auto& command : commands) {
        const bool perhaps = is_lease(command);
        std::exception_ptr trouble;
        try {
            (void)co_await monitor->execute(command.name, std::move(command.arguments), Deadline::in(monitor_timeout));
        } catch (...) {
            trouble = std::current_exception();
        }
        if (monitor->ended()) co_return; // it has gone with the guest
        if (trouble && !(perhaps && is_absent(trouble)))
            log::warning("domain '{}': '{}' while taking a device back: {}", monitor->domain(), command.name,
                         describe(trouble));
    }
}

Task<json::value> run_step(MonitorPtr monitor, PlugStep step) {
    const auto by = Deadline::in(monitor_timeout);
    if (!step.fd) return monitor->execute(step.command.name, std::move(step.command.arguments), by);
    auto fd = duplicate(step.fd->get());
    return monitor->execute_with_fd(step.command.name, std::move(step.command.arguments), std::move(fd), by);
}

/// All steps, or none.
Task<Terminals> run_plan(MonitorPtr monitor, std::vector<PlugStep> steps) {
    std::vector<MonitorCommand> undo;
    Terminals terminals;
    std::exception_ptr failure;
    try {
        std::int64_t passed = -1;
        for (auto& step : steps) {
            if (!step.opens_passed.empty())
                step.command.arguments[step.opens_passed] = fmt::format("/dev/fd/{}", passed);
            const auto answer = co_await run_step(monitor, step);
            if (step.command.name == "add-fd") passed = answer.as_object().at("fd").to_number<std::int64_t>();
            note_terminal(step, answer, terminals);
            if (!step.undo.name.empty()) undo.push_back(step.undo);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return terminals;
    std::ranges::reverse(undo);
    co_await take_back(monitor, std::move(undo));
    std::rethrow_exception(failure);
}

// ---- media --------------------------------------------------------------------------------------------------------

/// A guest can hold the door shut; it is asked, and given a while.
Task<> open_tray(MonitorPtr monitor, std::string alias, bool force) {
    const auto by = Deadline::in(tray_timeout);
    const json::object arguments{{"id", alias}, {"force", force}};
    for (;;) {
        std::exception_ptr failure;
        try {
            (void)co_await monitor->execute("blockdev-open-tray", arguments, Deadline::in(monitor_timeout));
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return;
        if (monitor->ended()) std::rethrow_exception(failure);
        if (by.expired()) break;
        co_await sleep_until(Deadline::in(500ms));
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the guest has locked the drive '{}'", alias))
        .hint("let the guest eject or unmount it, or take the medium away with --force");
}

/// Takes the medium out of an open drive, and frees what `old` names and the descriptors that it had.
Task<> take_medium(MonitorPtr monitor, std::string alias, std::vector<MonitorCommand> old) {
    const auto sets = co_await ask_sets(monitor);
    json::object drive{{"id", alias}};
    (void)co_await monitor->execute("blockdev-remove-medium", std::move(drive), Deadline::in(monitor_timeout));
    std::ranges::move(sets_of(sets, alias), std::back_inserter(old));
    co_await take_back(monitor, std::move(old));
}

const model::Disk& drive_of(const model::Domain& live, const std::string& alias) {
    return *std::ranges::find(live.devices.disks, std::optional(alias), &model::Disk::alias);
}

Task<std::vector<PlugStep>> steps_to_insert(MonitorPtr monitor, CapabilitiesPtr capabilities,
                                            std::shared_ptr<const MediumChange> what) {
    const auto sets = co_await ask_sets(monitor);
    auto steps = medium_steps(what->after, what->alias, *capabilities, what->launch, free_set(sets));
    json::object insertion{{"id", what->alias}, {"node-name", node_of(drive_of(what->after, what->alias))}};
    PlugStep insert;
    insert.command = {"blockdev-insert-medium", std::move(insertion)};
    steps.push_back(std::move(insert));
    co_return steps;
}

} // namespace

Task<Terminals> plug_devices(MonitorPtr monitor, CapabilitiesPtr capabilities, Plugging what) {
    const auto sets = co_await ask_sets(monitor);
    std::vector<PlugStep> steps;
    auto next_set = free_set(sets);
    for (const auto& alias : what.aliases) {
        auto more = plug_steps(what.live, alias, *capabilities, what.launch, next_set);
        next_set += static_cast<unsigned>(more.size());
        std::ranges::move(more, std::back_inserter(steps));
    }
    auto terminals = co_await run_plan(monitor, std::move(steps));
    co_return terminals;
}

Task<> unplug_device(MonitorPtr monitor, std::string alias) {
    json::object arguments{{"id", alias}};
    (void)co_await monitor->execute("device_del", std::move(arguments), Deadline::in(monitor_timeout));
}

Task<std::vector<std::string>> missing_devices(MonitorPtr monitor, CapabilitiesPtr capabilities,
                                               std::shared_ptr<const model::Domain> live) {
    json::object place{{"path", "/machine/peripheral"}};
    const auto answer = co_await monitor->execute("qom-list", std::move(place), Deadline::in(monitor_timeout));
    std::set<std::string, std::less<>> there;
    for (const auto& child : answer.as_array()) there.emplace(std::string(child.as_object().at("name").as_string()));
    auto own = own_devices(*live, *capabilities);
    std::erase_if(own, [&](const std::string& alias) { return there.contains(alias); });
    co_return own;
}

Task<> release_device(MonitorPtr monitor, CapabilitiesPtr capabilities, std::shared_ptr<const model::Domain> live,
                      std::string alias) {
    const auto sets = co_await ask_sets(monitor);
    auto commands = leftovers(*live, alias, *capabilities);
    std::ranges::move(sets_of(sets, alias), std::back_inserter(commands));
    co_await take_back(monitor, std::move(commands));
}

Task<std::exception_ptr> change_medium(MonitorPtr monitor, CapabilitiesPtr capabilities, MediumChange change) {
    const auto what = std::make_shared<const MediumChange>(std::move(change));
    const auto& alias = what->alias;
    const auto& drive = drive_of(what->after, alias);
    std::vector<MonitorCommand> old;
    if (!drive_of(what->before, alias).source.empty()) old = leftovers(what->before, alias, *capabilities);
    std::vector<PlugStep> steps; // nothing is taken out before what is to come in is there
    if (!drive.source.empty()) steps = co_await steps_to_insert(monitor, capabilities, what);
    co_await open_tray(monitor, alias, what->force);
    co_await take_medium(monitor, alias, std::move(old));
    std::exception_ptr failure;
    try {
        (void)co_await run_plan(monitor, std::move(steps));
    } catch (...) {
        failure = std::current_exception();
    }
    json::object tray{{"id", alias}};
    if (failure || drive.target.tray != model::Tray::open)
        (void)co_await monitor->execute("blockdev-close-tray", std::move(tray), Deadline::in(monitor_timeout));
    co_return failure;
}

} // namespace domus::engine::qemu
