#include "cli/sizes.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace domus::cli {

std::string pretty_size(std::uint64_t bytes, int digits) {
    constexpr std::string_view units[]{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.{}f} {}", value, digits, units[unit]);
}

Cell size_cell(std::uint64_t bytes) { return {pretty_size(bytes), bytes}; }

} // namespace domus::cli
