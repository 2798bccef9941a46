// Flags of operations on the host, bit for bit as in libvirt.
#pragma once

#include "service/flags.hpp"

namespace domus::service {

/// virConnectCompareCPUFlags.
enum class CompareCpuFlag { fail_incompatible, validate };
/// virConnectBaselineCPUFlags.
enum class BaselineCpuFlag { expand_features, migratable };

} // namespace domus::service

namespace domus::format {

template <> inline constexpr auto words<service::CompareCpuFlag> = word_list("fail-incompatible", "validate");
template <> inline constexpr auto words<service::BaselineCpuFlag> = word_list("expand-features", "migratable");

} // namespace domus::format
