// Flags of operations on pools and volumes, bit for bit as in libvirt.
#pragma once

#include "model/pool_types.hpp"
#include "service/flags.hpp"

#include <algorithm>
#include <array>

namespace domus::service {

/// virConnectListAllStoragePoolsFlags; behind them, one for each of model::pool_types.
enum class PoolListFlag { inactive, active, persistent, transient, autostart, no_autostart };
/// virStorageXMLFlags.
enum class PoolXmlFlag { inactive };
/// virStoragePoolDefineFlags.
enum class PoolDefineFlag { validate };
/// virStoragePoolCreateFlags.
enum class PoolCreateFlag { build, build_overwrite, build_no_overwrite };
/// virStoragePoolBuildFlags, but those that no kind of pool knows.
enum class PoolBuildFlag { no_overwrite = 2, overwrite };
/// virStoragePoolDeleteFlags.
enum class PoolDeleteFlag { zeroed };
/// virStorageVolCreateFlags.
enum class VolumeCreateFlag { preallocate_metadata, validate = 2 };
/// virStorageVolCreateFlags.
enum class VolumeCopyFlag { preallocate_metadata, reflink };
/// virStorageVolDeleteFlags.
enum class VolumeDeleteFlag { zeroed, with_snapshots };
/// virStorageVolResizeFlags.
enum class VolumeResizeFlag { allocate, delta, shrink };
/// virStorageVolInfoFlags.
enum class VolumeInfoFlag { physical };
/// virStorageVolUploadFlags, virStorageVolDownloadFlags.
enum class VolumeTransferFlag { sparse };

} // namespace domus::service

namespace domus::format {

/// The words of one list behind those of another.
template <std::size_t First, std::size_t Second>
constexpr auto joined(const std::array<std::string_view, First>& first,
                      const std::array<std::string_view, Second>& second) {
    std::array<std::string_view, First + Second> all{};
    std::ranges::copy(first, all.begin());
    std::ranges::copy(second, all.begin() + First);
    return all;
}

template <>
inline constexpr auto words<service::PoolListFlag> =
    joined(word_list("inactive", "active", "persistent", "transient", "autostart", "no-autostart"), model::pool_types);
template <> inline constexpr auto words<service::PoolXmlFlag> = word_list("inactive");
template <> inline constexpr auto words<service::PoolDefineFlag> = word_list("validate");
template <>
inline constexpr auto words<service::PoolCreateFlag> = word_list("build", "build-overwrite", "build-no-overwrite");
template <> inline constexpr auto words<service::PoolBuildFlag> = word_list("", "", "no-overwrite", "overwrite");
template <> inline constexpr auto words<service::PoolDeleteFlag> = word_list("zeroed");
template <> inline constexpr auto words<service::VolumeCreateFlag> = word_list("preallocate-metadata", "", "validate");
template <> inline constexpr auto words<service::VolumeCopyFlag> = word_list("preallocate-metadata", "reflink");
template <> inline constexpr auto words<service::VolumeDeleteFlag> = word_list("zeroed", "with-snapshots");
template <> inline constexpr auto words<service::VolumeResizeFlag> = word_list("allocate", "delta", "shrink");
template <> inline constexpr auto words<service::VolumeInfoFlag> = word_list("physical");
template <> inline constexpr auto words<service::VolumeTransferFlag> = word_list("sparse");

} // namespace domus::format
