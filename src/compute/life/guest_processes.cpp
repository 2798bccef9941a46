#include "compute/life/guest_processes.hpp"

#include "async/deadline.hpp"
#include "base/log.hpp"
#include "compute/life/helpers.hpp"
#include "os/cgroup.hpp"
#include "os/files.hpp"
#include "os/followers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <functional>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto time_to_end = 10s; ///< for killed processes; the kernel may hold one in input or output
constexpr auto time_to_look = 2s; ///< through /proc; an end waits no longer than that for it

/// Before the names of the folders of a daemon's guests: there may be several daemons on a host.
std::string group_prefix(const std::filesystem::path& library) {
    return fmt::format("domus-{:08x}-", std::hash<std::string>{}(library.string()) & 0xffffffff);
}

std::string group_name(const std::filesystem::path& folder) {
    return group_prefix(folder.parent_path()) + folder.filename().string();
}

Task<> look_for_followers(Environment& environment, std::shared_ptr<Running> running) {
    auto look = [pid = running->pid(), when = running->start_time()] { return followers_of(pid, when); };
    try {
        auto found = co_await environment.files.run(Deadline::in(time_to_look), std::move(look));
        std::ranges::move(found, std::back_inserter(running->followers));
    } catch (const Error& error) {
        log::warning("what process {} has started is not known: {}", running->pid(), error.message());
    }
}

/// Kills what is in it until nothing is.
Task<bool> end_group(std::string group) {
    auto pause = Clock::duration(1ms);
    for (const auto by = Deadline::in(time_to_end); !remove_cgroup(group);
         pause = std::min<Clock::duration>(2 * pause, 100ms)) {
        if (by.expired()) co_return false;
        kill_cgroup(group);
        co_await sleep_until(Deadline::in(pause));
    }
    co_return true;
}

} // namespace

std::string group_of(const Settings& settings, const std::string& folder) {
    if (settings.cgroup_parent.empty()) return {};
    return settings.cgroup_parent / group_name(folder);
}

std::string recorded_group(const std::string& cgroup, const std::string& folder) {
    return std::filesystem::path(cgroup).filename() == group_name(folder) ? cgroup : std::string{};
}

void remove_empty_groups(const Settings& settings, const std::filesystem::path& library) try {
    if (settings.cgroup_parent.empty()) return;
    const auto prefix = group_prefix(library);
    for (const auto& name : names_in(settings.cgroup_parent))
        if (name.starts_with(prefix))
            remove_cgroup(settings.cgroup_parent / name); // no kernel removes one with processes
} catch (const Error& error) {
    log::warning("{}", error.text());
}

Task<> note_followers(Environment& environment, std::shared_ptr<Running> running) {
    if (running->cgroup.empty() && running->pid() > 0) co_await look_for_followers(environment, running);
}

Task<> end_all_processes(Environment& environment, std::shared_ptr<Running> running, std::string name) {
    co_await end_helpers(running);
    if (running->cgroup.empty()) {
        if (running->pid() > 0) co_await look_for_followers(environment, running);
        for (const auto& follower : running->followers) follower.signal(SIGKILL);
        running->followers.clear();
        co_return;
    }
    const bool gone = co_await end_group(running->cgroup);
    if (!gone) log::error("domain '{}': processes in its control group '{}' do not end", name, running->cgroup);
}

} // namespace domus::compute
