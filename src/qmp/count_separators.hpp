// How many values a JSON text may have, told before it is parsed: a value of two bytes takes 24 in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace domus::qmp {

/// No more values than that are in these bytes, but for one.
inline std::size_t count_separators(std::string_view bytes) {
    return static_cast<std::size_t>(
        std::ranges::count_if(bytes, [](char c) { return c == ',' || c == ':' || c == '[' || c == '{'; }));
}

} // namespace domus::qmp
