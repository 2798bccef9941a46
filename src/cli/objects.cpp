#include "cli/objects.hpp"

#include "base/number.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace domus::cli {

namespace {

template <class T> std::optional<T> if_there(const std::function<T()>& lookup) {
    try {
        return lookup();
    } catch (const Error&) {
        return std::nullopt; // the next way of naming it may succeed; the last one's error is told
    }
}

std::optional<std::int32_t> as_id(const std::string& text) {
    const auto id = parse_number<std::int32_t>(text);
    return id && *id >= 0 ? id : std::nullopt;
}

std::optional<Uuid> as_uuid(const std::string& text) { return text.size() == 36 ? Uuid::parse(text) : std::nullopt; }

/// An object that is known by name and by UUID only.
template <class Object, Procedure uuid_procedure, Procedure name_procedure>
Object find_named(Call& call, std::string_view option, unsigned lookup, std::string_view what, auto member) {
    const auto name = call.args.required(option);
    auto& server = call.server();
    if (const auto uuid = as_uuid(name); uuid && (lookup & by_uuid))
        if (auto found = if_there<Object>([&] { return server.call<uuid_procedure>({.uuid = *uuid}).*member.first; }))
            return *found;
    const auto line = fmt::format("failed to get {} '{}'", what, name);
    if (!(lookup & by_name)) throw Failure(line).hint(fmt::format("it takes the UUID of a {}", what));
    return doing(line, [&] { return server.call<name_procedure>({.name = name}).*member.second; });
}

} // namespace

wire::Domain find_domain_named(Call& call, const std::string& name, unsigned lookup) {
    auto& server = call.server();
    using Found = wire::Domain;
    if (const auto id = as_id(name); id && (lookup & by_id))
        if (auto found = if_there<Found>([&] { return server.call<Procedure::domain_lookup_by_id>({.id = *id}).dom; }))
            return *found;
    if (const auto uuid = as_uuid(name); uuid && (lookup & by_uuid))
        if (auto found =
                if_there<Found>([&] { return server.call<Procedure::domain_lookup_by_uuid>({.uuid = *uuid}).dom; }))
            return *found;
    const auto line = fmt::format("failed to get domain '{}'", name);
    if (!(lookup & by_name)) throw Failure(line);
    return doing(line, [&] { return server.call<Procedure::domain_lookup_by_name>({.name = name}).dom; });
}

wire::Domain find_domain(Call& call, std::string_view option, unsigned lookup) {
    return find_domain_named(call, call.args.required(option), lookup);
}

wire::Network find_network(Call& call, std::string_view option, unsigned lookup) {
    return find_named<wire::Network, Procedure::network_lookup_by_uuid, Procedure::network_lookup_by_name>(
        call, option, lookup, "network",
        std::pair(&wire::NetworkLookupByUuidRet::net, &wire::NetworkLookupByNameRet::net));
}

wire::Nwfilter find_nwfilter(Call& call) {
    return find_named<wire::Nwfilter, Procedure::nwfilter_lookup_by_uuid, Procedure::nwfilter_lookup_by_name>(
        call, "nwfilter", by_uuid | by_name, "nwfilter",
        std::pair(&wire::NwfilterLookupByUuidRet::nwfilter, &wire::NwfilterLookupByNameRet::nwfilter));
}

wire::StoragePool find_pool(Call& call, std::string_view option, unsigned lookup) {
    return find_named<wire::StoragePool, Procedure::storage_pool_lookup_by_uuid,
                      Procedure::storage_pool_lookup_by_name>(
        call, option, lookup, "pool",
        std::pair(&wire::StoragePoolLookupByUuidRet::pool, &wire::StoragePoolLookupByNameRet::pool));
}

std::string_view word_of(std::span<const std::string_view> words, std::int64_t number, std::string_view other) {
    if (number < 0 || static_cast<std::size_t>(number) >= words.size()) return other;
    return words[static_cast<std::size_t>(number)];
}

namespace {

// virDomainState and its reasons, as virsh words them.
constexpr int state_shut_off = 5;
constexpr std::string_view states[]{"no state",    "running",  "idle",    "paused",
                                    "in shutdown", "shut off", "crashed", "pmsuspended"};
constexpr std::string_view running_reasons[]{"unknown",       "booted",   "migrated",           "restored",
                                             "from snapshot", "unpaused", "migration canceled", "save canceled",
                                             "event wakeup",  "crashed",  "post-copy",          "post-copy failed"};
constexpr std::string_view paused_reasons[]{
    "unknown",   "user",        "migrating",     "saving",           "dumping",
    "I/O error", "watchdog",    "from snapshot", "shutting down",    "creating snapshot",
    "crashed",   "starting up", "post-copy",     "post-copy failed", "api error"};
constexpr std::string_view shutdown_reasons[]{"unknown", "user"};
constexpr std::string_view shut_off_reasons[]{"unknown", "shutdown", "destroyed",     "crashed", "migrated",
                                              "saved",   "failed",   "from snapshot", "daemon"};
constexpr std::string_view crashed_reasons[]{"unknown", "panicked"};

} // namespace

std::string_view domain_state_word(int state) { return word_of(states, state, "no state"); }

std::string_view domain_reason_word(int state, int reason) {
    switch (state) {
    case 1:
        return word_of(running_reasons, reason);
    case 3:
        return word_of(paused_reasons, reason);
    case 4:
        return word_of(shutdown_reasons, reason);
    case state_shut_off:
        return word_of(shut_off_reasons, reason);
    case 6:
        return word_of(crashed_reasons, reason);
    default:
        return "unknown";
    }
}

Tone domain_state_tone(int state) {
    if (state == 1) return Tone::good;
    if (state == state_shut_off) return Tone::faint;
    return Tone::warning;
}

bool is_shut_off(int state) { return state == state_shut_off; }

std::string domain_xml(Call& call, const wire::Domain& domain, std::uint32_t flags) {
    return call.server().call<Procedure::domain_get_xml_desc>({.dom = domain, .flags = flags}).xml;
}

pugi::xml_document parse_xml(std::string_view text) {
    pugi::xml_document document;
    const auto parsed = document.load_buffer(text.data(), text.size(), pugi::parse_full | pugi::parse_ws_pcdata);
    if (!parsed) fail("Failed to parse XML: {} at byte {}", parsed.description(), parsed.offset);
    return document;
}

namespace {

std::string node_text(const pugi::xpath_node& found) {
    if (const auto attribute = found.attribute()) {
        std::ostringstream out;
        pugi::xml_document holder;
        holder.append_child("x").append_copy(attribute);
        holder.print(out, "", pugi::format_raw | pugi::format_no_declaration);
        const auto element = out.str(); // <x name="value"/>
        return element.substr(2, element.size() - 5);
    }
    std::ostringstream out;
    found.node().print(out, "", pugi::format_raw | pugi::format_no_declaration);
    return out.str();
}

} // namespace

std::string element_text(const pugi::xml_node& element) {
    std::ostringstream out;
    element.print(out, "  ", pugi::format_indent | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    auto text = std::move(out).str();
    for (auto at = text.find(" />"); at != text.npos; at = text.find(" />", at))
        if (at + 3 == text.size() || text[at + 3] == '\n')
            text.erase(at, 1); // an empty element, not a value: those end in '
        else
            ++at;
    return text;
}

void print_xml(Call& call, const std::string& xml) {
    const auto expression = call.args.text("xpath");
    if (!expression) {
        call.out.document(xml);
        return;
    }
    const auto document = parse_xml(xml);
    pugi::xpath_node_set found;
    try {
        found = document.select_nodes(expression->c_str());
    } catch (const pugi::xpath_exception& problem) {
        fail("XPath error : {}", problem.what());
    }
    std::string text;
    boost::json::array pieces;
    for (const auto& each : found) {
        auto piece = node_text(each);
        if (!call.args.flag("wrap"))
            text += (text.empty() ? "" : "\n") + piece;
        else
            text += (each.attribute() ? "  <node" + piece + "/>" : "  " + piece) + "\n";
        pieces.emplace_back(std::move(piece));
    }
    if (call.args.flag("wrap")) text = "<nodes>\n" + text + "</nodes>";
    if (!found.empty() || call.args.flag("wrap")) call.out.text("{}\n", text);
    call.out.result({{"found", std::move(pieces)}});
}

std::string read_file_option(Call& call, std::string_view option) {
    const auto path = call.args.required(option);
    std::ifstream file(path, std::ios::binary);
    if (!file) fail("Failed to open file '{}': {}", path, std::strerror(errno));
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad() || (text.empty() && file.fail() && !file.eof()))
        fail("Failed to read file '{}': {}", path, std::strerror(errno));
    return text;
}

std::uint32_t affect_flags(const Arguments& args) {
    args.exclusive("current", "live");
    args.exclusive("current", "config");
    constexpr std::uint32_t live = 1, config = 2;
    return (args.flag("live") ? live : 0) | (args.flag("config") ? config : 0);
}

Cell yes_no(bool value) { return {value ? "yes" : "no", value}; }

const wire::TypedValue* find_param(const std::vector<wire::TypedParam>& params, std::string_view name) {
    const auto found = std::ranges::find(params, name, &wire::TypedParam::field);
    return found == params.end() ? nullptr : &found->value;
}

std::string value_text(const wire::TypedValue& value) {
    return std::visit(
        [](const auto& held) -> std::string {
            using Held = std::remove_cvref_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::string>)
                return held;
            else if constexpr (std::is_same_v<Held, wire::Boolean>)
                return held.value ? "yes" : "no";
            else if constexpr (std::is_same_v<Held, double>)
                return fmt::format("{:f}", held);
            else
                return fmt::format("{}", held);
        },
        value.value);
}

boost::json::value value_json(const wire::TypedValue& value) {
    return std::visit(
        [](const auto& held) -> boost::json::value {
            using Held = std::remove_cvref_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::string>)
                return boost::json::string(held);
            else if constexpr (std::is_same_v<Held, wire::Boolean>)
                return held.value;
            else
                return held;
        },
        value.value);
}

} // namespace domus::cli
