// Amounts of memory and storage, so that a count of KiB is never taken for bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace domus {

struct ByteCount {
    std::uint64_t bytes = 0;

    static constexpr ByteCount kib(std::uint64_t n) { return {n << 10}; }
    static constexpr ByteCount mib(std::uint64_t n) { return {n << 20}; }
    static constexpr ByteCount gib(std::uint64_t n) { return {n << 30}; }

    /// Whole KiB, rounded up, as libvirt counts memory.
    constexpr std::uint64_t kib_ceil() const { return (bytes >> 10) + ((bytes & 1023) != 0); }
    constexpr std::uint64_t mib_ceil() const { return (bytes >> 20) + ((bytes & ((1u << 20) - 1)) != 0); }

    auto operator<=>(const ByteCount&) const = default;
};

/// Bytes in one of a unit's name as libvirt writes them: "b"/"bytes", "KB" (1000), "k"/"KiB" (1024), ... "EiB".
/// Nothing if the name is unknown.
std::optional<std::uint64_t> unit_factor(std::string_view unit);

} // namespace domus
