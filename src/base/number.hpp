// Numbers in text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace domus {

/// The integer that the text consists of, as std::from_chars reads it: no blank, no '+', no "0x". Nothing if it is empty, has
/// anything else in it, or is out of the type's range.
template <class Number> std::optional<Number> parse_number(std::string_view text, int base = 10) {
    Number value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

} // namespace domus
