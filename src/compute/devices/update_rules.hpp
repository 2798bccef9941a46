// An update of a device while the domain runs changes a drive's medium, an interface's link and port, or a display's
// password. What else the XML says must be so already, else it is refused by name instead of dropped.
#pragma once

#include "base/error.hpp"
#include "format/difference.hpp"

#include <string_view>

namespace domus::compute {

/// Throws for the first of these that asks for something: a field that is only missing asks for nothing.
void refuse_changes(std::string_view element, const std::vector<format::Change>& changes);

/// `applied`: the device as it will be after the update.
template <format::Described T> void require_applied(std::string_view element, const T& applied, const T& wanted) {
    refuse_changes(element, format::differences(applied, wanted));
}

} // namespace domus::compute
