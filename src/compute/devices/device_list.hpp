// The device of an attach, detach or update call, and where it stands in a definition. Pure.
#pragma once

#include "model/domain.hpp"

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace domus::compute {

/// From the XML of one device. Throws xml_error for anything else.
struct OneDevice {
    model::Devices devices; ///< that one alone
    std::string element;    ///< "disk"
};
OneDevice parse_device(const std::string& xml);

/// The same, and a display too: its password can be changed, but it cannot come and go.
OneDevice parse_update(const std::string& xml);

/// Adds it behind those of its kind. Throws operation_invalid if its place is taken: a disk of the same target, a
/// controller of the same index, a second one of what there can be one of.
void add_device(model::Devices& to, const OneDevice& device);

/// What the call means: the device of the same alias if it names one, else the same disk target, the same MAC address,
/// the same controller; of other kinds one that is described alike. Throws device_missing if there is none.
void remove_device(model::Devices& from, const OneDevice& which);
/// Puts it in the place of the one that it means, whose alias and address it takes over where it has none.
void replace_device(model::Devices& in, const OneDevice& device);
/// Its alias in a running domain.
std::string alias_of(const model::Devices& live, const OneDevice& which);
std::optional<std::string> element_of(const model::Devices& live, std::string_view alias);

void remove_alias(model::Devices& from, std::string_view alias);
/// Copies the device with that alias behind those of its kind.
void copy_alias(const model::Devices& from, std::string_view alias, model::Devices& to);
std::set<std::string> aliases(const model::Devices& live);

} // namespace domus::compute
