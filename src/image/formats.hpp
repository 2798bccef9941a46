// What a format of disk images is: one file below formats/, which holds one value of this type, and one line in the
// table of header.cpp.
#pragma once

#include "image/header.hpp"
#include "image/reader.hpp"

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
};

extern const Format format_qcow2, format_qcow, format_qed, format_vmdk, format_vdi, format_vhdx, format_vpc,
    format_luks, format_iso, format_raw;

/// The header of LUKS 1 or 2 at the start of `image`, also where it stands within another format.
Encryption read_luks(Reader& image);

} // namespace domus::image
