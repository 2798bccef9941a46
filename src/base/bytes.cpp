#include "base/bytes.hpp"

#include <array>
#include <string>

namespace domus {

std::optional<std::uint64_t> unit_factor(std::string_view unit) {
    if (unit.empty()) return std::nullopt;
    std::string lower;
    for (const char c : unit) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    if (lower == "b" || lower == "byte" || lower == "bytes") return 1;

    constexpr std::string_view letters = "kmgtpe";
    const auto power = letters.find(lower[0]);
    if (power == std::string_view::npos) return std::nullopt;
    const auto rest = lower.substr(1);
    std::uint64_t base = 0;
    if (rest.empty() || rest == "ib")
        base = 1024;
    else if (rest == "b")
        base = 1000;
    else
        return std::nullopt;
    std::uint64_t factor = 1;
    for (std::size_t i = 0; i <= power; ++i) factor *= base;
    return factor;
}

} // namespace domus
