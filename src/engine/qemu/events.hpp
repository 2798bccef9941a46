// QEMU's events (QAPI schema of QEMU 7.2: run-state, block-core, char, ui, misc) as events of a machine.
#pragma once

#include "engine/machine_events.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string_view>

namespace domus::engine::qemu {

/// Nothing for events that nobody wants.
std::optional<MachineEvent> machine_event_of(std::string_view name, const boost::json::object& data);

/// By an answer of query-status.
GuestState guest_state(const boost::json::value& status);

} // namespace domus::engine::qemu
