// What a format of disk images is: one file below formats/, which gives one value of this type, and one word in
// domus_kinds() of CMakeLists.txt. Other code asks its properties and does not compare its name.
#pragma once

#include "image/header.hpp"
#include "image/reader.hpp"

#include <span>
#include <string_view>

namespace domus::image {

struct Format {
    std::string_view name;
    /// Whether the image may be of the format at all.
    bool (*recognizes)(Reader& image);
    /// Throws Error for a header that contradicts itself. `recognizes` has said yes.
    Header (*read)(Reader& image);
    /// Whether it is taken for the format where nobody has named one, if that is decided otherwise: as QEMU decides,
    /// so that the two never take one image for two things.
    bool (*guessed)(Reader& image) = nullptr;
    std::string_view driver{};  ///< of QEMU, where it has another name
    bool creatable = false;     ///< volumes are made of it, by qemu-img or by ourselves
    bool layered = false;       ///< an image of it may have another one below
    bool repairable = false;    ///< 'qemu-img check' repairs it
    bool whole_sectors = false; ///< QEMU gives it sizes in sectors of 512 bytes alone

    std::string_view qemu_driver() const { return driver.empty() ? name : driver; }
};

/// In the order of the build's list, which is that of probing.
std::span<const Format* const> all_kinds();
/// Null for a format that is not read here.
const Format* find_format(std::string_view name);

/// The header of LUKS 1 or 2 at the start of `image`, also where it stands within another format.
Encryption read_luks(Reader& image);

} // namespace domus::image
