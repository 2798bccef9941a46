// The numbers of keys in the code sets that clients use, and QEMU's number for each.
#pragma once

#include <cstdint>

namespace domus::service {

/// virKeycodeSet.
enum class KeycodeSet : unsigned { linux_, xt, atset1, atset2, atset3, osx, xt_kbd, usb, win32, qnum };

/// What QEMU's send-key takes as a number. Throws an Error for a set or a code that does not exist.
std::uint32_t qemu_key_number(unsigned set, std::uint32_t code);

} // namespace domus::service
