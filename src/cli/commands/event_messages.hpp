// The events of domains as the protocol carries them: one row for each type, decoded to virsh's line and to JSON.
#pragma once

#include "cli/commands/event_loop.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace domus::cli {

/// By virDomainEventID.
std::span<const std::string_view> domain_event_names();
/// The same for an option's words: "lifecycle|reboot|...".
std::string_view domain_event_words();

/// Nothing for a message that carries no event of a domain.
std::optional<SeenEvent> read_domain_event(std::int32_t procedure, std::string_view message);

} // namespace domus::cli
