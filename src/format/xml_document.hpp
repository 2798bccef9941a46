// Reads the text of a document into pugixml's tree, and judges what that parser lets pass but XML does not allow, so
// that what we store and send is read by every other parser. Used by the sources of this folder only.
#pragma once

#include "base/error.hpp"

#include <pugixml.hpp>

#include <string_view>

namespace domus::format {

inline constexpr std::size_t largest_document = 16u << 20;
inline constexpr std::size_t most_elements = 200'000;
inline constexpr int deepest_nesting = 256;
inline constexpr std::size_t most_attributes = 256;

/// The document's one element. Throws Error (xml_detail with the line) for what is no XML, xml_error beyond a limit.
pugi::xml_node load_document(std::string_view text, pugi::xml_document& document, ErrorDomain domain);

/// Length of the character at a place in UTF-8 (RFC 3629); 0 if it is none, or one that XML does not allow.
std::size_t character_length(std::string_view text, std::size_t at);
/// Whether it can be the name of an attribute or element; of letters beyond ASCII all are taken.
bool is_xml_name(std::string_view name);
/// Whether it can stand between the tags of an element as it is.
bool is_xml_content(std::string_view text);

} // namespace domus::format
