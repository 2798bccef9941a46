// What `event` and its kin do: show events as they come until one has come, the time is over, or the person has enough.
#pragma once

#include "cli/objects.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace domus::cli {

/// One event as a line and as JSON.
struct SeenEvent {
    std::string line;
    boost::json::object json;
};

struct EventWatch {
    /// What a message of the daemon says; nothing if it is none of those that are waited for.
    std::function<std::optional<SeenEvent>(std::int32_t procedure, std::string_view message)> read;
    std::function<void()> begin; ///< asks the daemon for the events
    std::function<void()> end;   ///< asks it for no more
};

/// With --loop, --timeout and --timestamp as the command's options say. Throws a silent Failure when nothing came.
void watch_events(Call& call, const EventWatch& watch);

/// For --list: the names of the kinds.
void list_event_names(Call& call, std::span<const std::string_view> names);

/// The number of the kind with that name, by its place among them. Throws a Failure that names the command's --list.
std::int32_t event_number(std::string_view command, std::span<const std::string_view> names, const std::string& name);

/// The number that --event asks for, where one kind must be named; nothing where --list did, which is done then.
std::optional<std::int32_t> asked_event(Call& call, std::span<const std::string_view> names);

/// What all events of pools and secrets say: "event 'lifecycle' for storage pool vms: Started".
SeenEvent object_event(std::string_view name, std::string_view what, const std::string& object,
                       std::string_view change);

} // namespace domus::cli
