// Fields that users know and that are kept, but have no effect in this version. A document that sets one is still read,
// so that nothing that is stored is lost; whoever defines or starts it is told by name and line. One row a field:
//
//     {Cpu::schema, "@check", "features of the CPU are not compared with the guest's", "none partial"},
//
// A field that has its effect in some records only has a row that says in which. Its path may lead on into the tables of
// the elements on the way, so that the row stands at the table that decides:
//
//     {Disk::schema, "target@tray", "for device='cdrom' and 'floppy'; leave it out", "closed", where<has_tray>},
#pragma once

#include "format/xml.hpp"

#include <span>
#include <string_view>

namespace domus::format {

struct Refusal {
    const Schema& (*schema)() = nullptr;
    std::string_view path; ///< as in the table: "vlan", "port@isolated", "." for its own text
    std::string_view why;
    std::string_view harmless; ///< values that ask for nothing, separated by blanks
    bool (*counts)(const void* record) =
        nullptr; ///< whether the field has an effect in the record: then it is not refused
};

namespace detail {
template <class T> struct Judged;
template <class T> struct Judged<bool (*)(const T&)> {
    using Type = T;
};
} // namespace detail

/// A predicate on records of one type, for `counts`.
template <auto predicate> bool where(const void* record) {
    return predicate(*static_cast<const typename detail::Judged<decltype(predicate)>::Type*>(record));
}

/// Adds a finding for each field of the value, and of all values in it, that is set and has a row.
void find_refused(const Schema& schema, const void* value, std::span<const Refusal> rows, Findings& findings);

} // namespace domus::format
