// Keys as `send-key` takes them: the names of Linux's input layer, and numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace domus::cli {

/// In the order of virKeycodeSet.
inline constexpr std::string_view codesets[]{"linux", "xt",     "atset1", "atset2", "atset3",
                                             "os_x",  "xt_kbd", "usb",    "win32",  "qnum"};

/// The number of "KEY_ENTER" and the like.
std::optional<std::uint32_t> linux_key(std::string_view name);
/// Decimal, 0x or 0 octal; at most 65535.
std::optional<std::uint32_t> parse_key_number(std::string_view text);

} // namespace domus::cli
