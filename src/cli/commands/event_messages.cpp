#include "cli/commands/event_messages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace domus::cli {

namespace {

using Json = boost::json::object;
using Words = std::span<const std::string_view>;
template <Procedure procedure> using Message = typename wire::Call<procedure>::Ret;

// Each `describe` returns what virsh prints behind "event 'NAME' for domain 'DOMAIN'".

std::string put_word(Json& json, std::string_view key, Words words, std::int32_t number) {
    const auto word = word_of(words, number);
    json[key] = word;
    return std::string(word);
}

std::string put_text(Json& json, std::string_view key, const std::string& text) {
    json[key] = text;
    return text;
}

/// "<null>" and null where the daemon sent none.
std::string put_optional(Json& json, std::string_view key, const std::optional<std::string>& text) {
    json[key] = text ? boost::json::value(*text) : boost::json::value(nullptr);
    return text.value_or("<null>");
}

std::string put_params(Json& json, const std::vector<wire::TypedParam>& params) {
    std::string text = ":";
    Json values;
    for (const auto& param : params) {
        text += fmt::format("\n\t{}: {}", param.field, value_text(param.value));
        values[param.field] = value_json(param.value);
    }
    json["params"] = std::move(values);
    return text;
}

constexpr std::string_view lifecycle_kinds[]{"Defined", "Undefined", "Started",     "Suspended", "Resumed",
                                             "Stopped", "Shutdown",  "PMSuspended", "Crashed"};

std::string_view lifecycle_detail(std::int32_t event, std::int32_t detail) {
    static constexpr std::string_view defined[]{"Added", "Updated", "Renamed", "Snapshot"},
        undefined[]{"Removed", "Renamed"}, started[]{"Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"},
        suspended[]{"Paused",   "Migrated",  "I/O Error", "Watchdog",       "Restored",
                    "Snapshot", "API error", "Post-copy", "Post-copy Error"},
        resumed[]{"Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"},
        stopped[]{"Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"},
        shutdown[]{"Finished", "Finished after guest request", "Finished after host request"},
        suspended_pm[]{"Memory", "Disk"}, crashed[]{"Panicked"};
    const Words all[]{defined, undefined, started, suspended, resumed, stopped, shutdown, suspended_pm, crashed};
    if (event < 0 || event >= static_cast<std::int32_t>(std::size(all))) return "unknown";
    return word_of(all[event], detail);
}

std::string describe(const Message<Procedure::domain_event_callback_lifecycle>& body, Json& json) {
    const auto kind = put_word(json, "kind", lifecycle_kinds, body.msg.event);
    const auto detail = lifecycle_detail(body.msg.event, body.msg.detail);
    json["detail"] = detail;
    return fmt::format(": {} {}", kind, detail);
}

std::string describe(const Message<Procedure::domain_event_callback_rtc_change>& body, Json& json) {
    json["offset"] = body.msg.offset;
    return fmt::format(": {}", body.msg.offset);
}

std::string describe(const Message<Procedure::domain_event_callback_watchdog>& body, Json& json) {
    constexpr std::string_view actions[]{"none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi"};
    return ": " + put_word(json, "action", actions, body.msg.action);
}

template <class Body> std::string io_error(const Body& body, Json& json) {
    constexpr std::string_view actions[]{"none", "pause", "report"};
    const auto source = put_text(json, "source", body.src_path);
    const auto device = put_text(json, "device", body.dev_alias);
    return fmt::format(": {} ({}) {}", source, device, put_word(json, "action", actions, body.action));
}

std::string describe(const Message<Procedure::domain_event_callback_io_error>& body, Json& json) {
    return io_error(body.msg, json);
}

std::string describe(const Message<Procedure::domain_event_callback_io_error_reason>& body, Json& json) {
    const auto text = io_error(body.msg, json);
    return fmt::format("{} due to {}", text, put_text(json, "reason", body.msg.reason));
}

std::string graphics_address(const wire::DomainEventGraphicsAddress& address, std::string_view key, Json& json) {
    constexpr std::string_view families[]{"IPv4", "IPv6", "unix"};
    const auto family = word_of(families, address.family);
    json[key] = {{"family", family}, {"node", address.node}, {"service", address.service}};
    return fmt::format("{}[{} {} {}]", key, family, address.node, address.service);
}

std::string describe(const Message<Procedure::domain_event_callback_graphics>& body, Json& json) {
    constexpr std::string_view phases[]{"connect", "initialize", "disconnect"};
    const auto& it = body.msg;
    const auto phase = put_word(json, "phase", phases, it.phase);
    const auto local = graphics_address(it.local, "local", json);
    const auto remote = graphics_address(it.remote, "remote", json);
    auto text = fmt::format(": {} {} {} {}", phase, local, remote, put_text(json, "auth_scheme", it.auth_scheme));
    Json subject;
    for (const auto& identity : it.subject) {
        text += fmt::format("\n\t{}={}", identity.type, identity.name);
        subject[identity.type] = identity.name;
    }
    json["subject"] = std::move(subject);
    return text;
}

std::string block_job(const std::string& disk, std::int32_t type, std::int32_t status, Json& json) {
    constexpr std::string_view types[]{"Unknown job",  "Block Pull",          "Block Copy",
                                       "Block Commit", "Active Block Commit", "Backup"};
    constexpr std::string_view results[]{"completed", "failed", "canceled", "ready"};
    const auto job = put_word(json, "job", types, type);
    return fmt::format(": {} for {} {}", job, put_text(json, "disk", disk), put_word(json, "status", results, status));
}

std::string describe(const Message<Procedure::domain_event_callback_block_job>& body, Json& json) {
    return block_job(body.msg.path, body.msg.type, body.msg.status, json);
}

std::string describe(const wire::DomainEventBlockJob2Msg& body, Json& json) {
    return block_job(body.dst, body.type, body.status, json);
}

std::string describe(const Message<Procedure::domain_event_callback_disk_change>& body, Json& json) {
    constexpr std::string_view reasons[]{"changed", "dropped"};
    const auto device = put_text(json, "device", body.msg.dev_alias);
    const auto before = put_optional(json, "old_source", body.msg.old_src_path);
    const auto after = put_optional(json, "new_source", body.msg.new_src_path);
    return fmt::format(" disk {}: {} -> {}: {}", device, before, after,
                       put_word(json, "reason", reasons, body.msg.reason));
}

std::string describe(const Message<Procedure::domain_event_callback_tray_change>& body, Json& json) {
    constexpr std::string_view changes[]{"opened", "closed"};
    const auto device = put_text(json, "device", body.msg.dev_alias);
    return fmt::format(" disk {}: {}", device, put_word(json, "tray", changes, body.msg.reason));
}

std::string describe(const Message<Procedure::domain_event_callback_balloon_change>& body, Json& json) {
    json["kib"] = body.msg.actual;
    return fmt::format(": {}KiB", body.msg.actual);
}

std::string describe(const Message<Procedure::domain_event_callback_device_removed>& body, Json& json) {
    return ": " + put_text(json, "device", body.msg.dev_alias);
}

std::string describe(const Message<Procedure::domain_event_callback_device_added>& body, Json& json) {
    return ": " + put_text(json, "device", body.dev_alias);
}

std::string describe(const Message<Procedure::domain_event_callback_device_removal_failed>& body, Json& json) {
    return ": " + put_text(json, "device", body.dev_alias);
}

std::string describe(const Message<Procedure::domain_event_callback_tunable>& body, Json& json) {
    return put_params(json, body.params);
}

std::string describe(const Message<Procedure::domain_event_callback_agent_lifecycle>& body, Json& json) {
    constexpr std::string_view states[]{"unknown", "connected", "disconnected"};
    constexpr std::string_view reasons[]{"unknown", "domain started", "channel event"};
    const auto state = put_word(json, "state", states, body.state);
    return fmt::format(": state: '{}' reason: '{}'", state, put_word(json, "reason", reasons, body.reason));
}

std::string describe(const Message<Procedure::domain_event_callback_migration_iteration>& body, Json& json) {
    json["iteration"] = body.iteration;
    return fmt::format(": iteration: '{}'", body.iteration);
}

std::string describe(const Message<Procedure::domain_event_callback_job_completed>& body, Json& json) {
    return put_params(json, body.params);
}

std::string describe(const Message<Procedure::domain_event_callback_metadata_change>& body, Json& json) {
    constexpr std::string_view types[]{"description", "title", "element"};
    const auto type = put_word(json, "type", types, body.type);
    return fmt::format(": type {}, uri {}", type, put_optional(json, "uri", body.nsuri));
}

std::string describe(const wire::DomainEventBlockThresholdMsg& body, Json& json) {
    const auto disk = put_text(json, "disk", body.dev);
    const auto path = put_optional(json, "source", body.path);
    json["threshold"] = body.threshold;
    json["excess"] = body.excess;
    return fmt::format(": dev: {}({}) {} {}", disk, path, body.threshold, body.excess);
}

std::string describe(const wire::DomainEventMemoryFailureMsg& body, Json& json) {
    constexpr std::string_view recipients[]{"hypervisor", "guest"};
    constexpr std::string_view actions[]{"ignore", "inject", "fatal", "reset"};
    constexpr std::uint32_t action_required = 1, recursive = 2;
    const auto recipient = put_word(json, "recipient", recipients, body.recipient);
    const auto action = put_word(json, "action", actions, body.action);
    json["action_required"] = (body.flags & action_required) != 0;
    json["recursive"] = (body.flags & recursive) != 0;
    return fmt::format(":\nrecipient: {}\naction: {}\nflags:\n\taction required: {}\n\trecursive: {}", recipient,
                       action, body.flags & action_required ? 1 : 0, body.flags & recursive ? 1 : 0);
}

std::string describe(const wire::DomainEventMemoryDeviceSizeChangeMsg& body, Json& json) {
    json["size"] = body.size;
    return fmt::format(":\nalias: {}\nsize: {}", put_text(json, "device", body.alias), body.size);
}

/// Those that say no more than that they happened: reboot, control-error, pm-*.
template <class Body>
    requires requires(const Body& body) { body.msg.dom; }
std::string describe(const Body&, Json&) {
    return {};
}

template <Procedure procedure> SeenEvent decode_event(std::string_view name, std::string_view message) {
    const auto body = wire::decode<Message<procedure>>(message);
    const wire::Domain& domain = [&]() -> const wire::Domain& {
        if constexpr (requires { body.msg.dom; })
            return body.msg.dom;
        else
            return body.dom;
    }();
    Json json{{"event", name}, {"domain", domain.name}, {"uuid", domain.uuid.text()}};
    auto text = describe(body, json);
    return {fmt::format("event '{}' for domain '{}'{}", name, domain.name, text), std::move(json)};
}

struct EventRow {
    std::string_view name;
    Procedure procedure;
    SeenEvent (*decode)(std::string_view name, std::string_view message);
};

template <Procedure procedure> constexpr EventRow event_row(std::string_view name) {
    return {name, procedure, &decode_event<procedure>};
}

// By virDomainEventID.
constexpr EventRow domain_events[]{
    event_row<Procedure::domain_event_callback_lifecycle>("lifecycle"),
    event_row<Procedure::domain_event_callback_reboot>("reboot"),
    event_row<Procedure::domain_event_callback_rtc_change>("rtc-change"),
    event_row<Procedure::domain_event_callback_watchdog>("watchdog"),
    event_row<Procedure::domain_event_callback_io_error>("io-error"),
    event_row<Procedure::domain_event_callback_graphics>("graphics"),
    event_row<Procedure::domain_event_callback_io_error_reason>("io-error-reason"),
    event_row<Procedure::domain_event_callback_control_error>("control-error"),
    event_row<Procedure::domain_event_callback_block_job>("block-job"),
    event_row<Procedure::domain_event_callback_disk_change>("disk-change"),
    event_row<Procedure::domain_event_callback_tray_change>("tray-change"),
    event_row<Procedure::domain_event_callback_pmwakeup>("pm-wakeup"),
    event_row<Procedure::domain_event_callback_pmsuspend>("pm-suspend"),
    event_row<Procedure::domain_event_callback_balloon_change>("balloon-change"),
    event_row<Procedure::domain_event_callback_pmsuspend_disk>("pm-suspend-disk"),
    event_row<Procedure::domain_event_callback_device_removed>("device-removed"),
    event_row<Procedure::domain_event_block_job_2>("block-job-2"),
    event_row<Procedure::domain_event_callback_tunable>("tunable"),
    event_row<Procedure::domain_event_callback_agent_lifecycle>("agent-lifecycle"),
    event_row<Procedure::domain_event_callback_device_added>("device-added"),
    event_row<Procedure::domain_event_callback_migration_iteration>("migration-iteration"),
    event_row<Procedure::domain_event_callback_job_completed>("job-completed"),
    event_row<Procedure::domain_event_callback_device_removal_failed>("device-removal-failed"),
    event_row<Procedure::domain_event_callback_metadata_change>("metadata-change"),
    event_row<Procedure::domain_event_block_threshold>("block-threshold"),
    event_row<Procedure::domain_event_memory_failure>("memory-failure"),
    event_row<Procedure::domain_event_memory_device_size_change>("memory-device-size-change")};

} // namespace

std::span<const std::string_view> domain_event_names() {
    static const auto names = [] {
        std::vector<std::string_view> all;
        for (const auto& row : domain_events) all.push_back(row.name);
        return all;
    }();
    return names;
}

std::string_view domain_event_words() {
    static const auto words = fmt::format("{}", fmt::join(domain_event_names(), "|"));
    return words;
}

std::optional<SeenEvent> read_domain_event(std::int32_t procedure, std::string_view message) {
    const auto* row = std::ranges::find(domain_events, static_cast<Procedure>(procedure), &EventRow::procedure);
    if (row == std::end(domain_events)) return std::nullopt;
    return row->decode(row->name, message);
}

} // namespace domus::cli
