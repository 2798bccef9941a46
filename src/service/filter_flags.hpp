// Flags of operations on network filters, bit for bit as in libvirt.
#pragma once

#include "service/flags.hpp"

namespace domus::service {

/// virNWFilterDefineFlags.
enum class FilterDefineFlag { validate };
/// virNWFilterBindingCreateFlags.
enum class FilterBindingCreateFlag { validate };

} // namespace domus::service

namespace domus::format {

template <> inline constexpr auto words<service::FilterDefineFlag> = word_list("validate");
template <> inline constexpr auto words<service::FilterBindingCreateFlag> = word_list("validate");

} // namespace domus::format
