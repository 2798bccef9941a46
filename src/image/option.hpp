// Values in the option strings of qemu-img and QEMU ("driver=qcow2,file.filename=...").
#pragma once

#include <string>
#include <string_view>

namespace domus::image {

/// A comma within a value is written twice (QEMU's manual, "qemu-img", under -o).
inline std::string option_value(std::string_view value) {
    std::string text;
    for (const char c : value) text.append(c == ',' ? 2 : 1, c);
    return text;
}

} // namespace domus::image
