// Fields that users know and that are kept, but have no effect in this version. A document that sets one is still read,
// so that nothing that is stored is lost; whoever defines or starts it is told by name and line. One row a field:
//
//     {Cpu::schema, "@check", "features of the CPU are not compared with the guest's", "none partial"},
#pragma once

#include "format/xml.hpp"

#include <span>
#include <string_view>

namespace domus::format {

struct Refusal {
    const Schema& (*schema)() = nullptr;
    std::string_view path;     ///< as in the table: "vlan", "port@isolated", "." for its own text
    std::string_view why;
    std::string_view harmless; ///< values that ask for nothing, separated by blanks
};

/// Adds a finding for each field of the value, and of all values in it, that is set and has a row.
void find_refused(const Schema& schema, const void* value, std::span<const Refusal> rows, Findings& findings);

} // namespace domus::format
