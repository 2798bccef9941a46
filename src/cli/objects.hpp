// Finding the objects that commands name, and the words for their states.
#pragma once

#include "cli/call.hpp"
#include "client/connection.hpp"

#include <pugixml.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace domus::cli {

using client::Connection;
using wire::Procedure;

constexpr std::int32_t no_id = -1; ///< of a domain that does not run

/// By which of its names a domain may be given.
enum Lookup : unsigned { by_id = 1, by_uuid = 2, by_name = 4, by_any = 7 };

/// Throws Failure "failed to get domain 'x'" with the daemon's word.
wire::Domain find_domain(Call& call, std::string_view option = "domain", unsigned lookup = by_any);
wire::Domain find_domain_named(Call& call, const std::string& name, unsigned lookup = by_any);
wire::Network find_network(Call& call, std::string_view option = "network", unsigned lookup = by_uuid | by_name);
wire::Nwfilter find_nwfilter(Call& call);
wire::StoragePool find_pool(Call& call, std::string_view option = "pool", unsigned lookup = by_uuid | by_name);

/// The word of a table for a number, or `other`.
std::string_view word_of(std::span<const std::string_view> words, std::int64_t number,
                         std::string_view other = "unknown");

std::string_view domain_state_word(int state);
std::string_view domain_reason_word(int state, int reason);
Tone domain_state_tone(int state);
bool is_shut_off(int state);

std::string domain_xml(Call& call, const wire::Domain& domain, std::uint32_t flags = 0);
/// Parses what the daemon sent; throws Failure "Failed to parse XML".
pugi::xml_document parse_xml(std::string_view text);
/// An element as the daemon would write it, indented from its own level.
std::string element_text(const pugi::xml_node& element);
/// Prints a document, or what an XPath expression finds in it (--xpath, --wrap).
void print_xml(Call& call, const std::string& xml);

/// The contents of the file that an option names; throws Failure "Failed to open file 'x': ...".
std::string read_file_option(Call& call, std::string_view option = "file");

/// --live, --config, --current as the protocol's flags, refused where they exclude each other.
std::uint32_t affect_flags(const Arguments& args);

/// "yes" or "no", true or false.
Cell yes_no(bool value);

wire::TypedValue const* find_param(const std::vector<wire::TypedParam>& params, std::string_view name);
std::string value_text(const wire::TypedValue& value);
boost::json::value value_json(const wire::TypedValue& value);

} // namespace domus::cli
