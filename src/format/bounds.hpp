// How large documents may be, and how much an error says of what is wrong with one.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <string_view>

namespace domus::format {

/// So many findings are put into words, of which an error quotes the first; the others are only counted.
inline constexpr std::size_t most_findings_worded = 100;

/// For documents of clients that may only read: throws xml_error for more than 1 MiB or 20,000 elements. Counts both
/// before anything is read.
void require_small(std::string_view text, ErrorDomain domain);

} // namespace domus::format
