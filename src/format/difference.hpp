// What differs between two values of one type, found by walking their table: what a redefinition changes, and what of
// it a running domain can take over.
#pragma once

#include "format/schema.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::format {

/// One changed place: "devices/disk[1]/driver@cache". Elements that came or went are given as their XML.
struct Change {
    std::string path;
    std::optional<std::string> before, after;
    bool operator==(const Change&) const = default;
};

/// In the order of the table. Elements of a list are compared with their counterparts after equal ones at both ends
/// are set aside, so that one more disk is one change. Secrets are compared and told as "(secret)".
std::vector<Change> find_differences(const Schema& schema, const void* before, const void* after);

template <Described T> std::vector<Change> differences(const T& before, const T& after) {
    return find_differences(T::schema(), &before, &after);
}

} // namespace domus::format
