// What the header of a disk image says. The guest may have written it, so that nothing in it is believed further than
// its own bytes: reads are bounded, and a backing file is only named here, never opened.
#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string>

namespace domus::image {

struct Header {
    std::string format; ///< "raw" where nothing else is recognized
    ByteCount virtual_size;
    std::optional<std::string> backing_file;   ///< as written: relative to the folder of the image
    std::optional<std::string> backing_format; ///< if the image tells it
    unsigned version = 0;                      ///< of qcow2: 2 or 3
    ByteCount cluster_size;                    ///< of qcow2
    bool lazy_refcounts = false, extended_l2 = false;
};

/// Reads a qcow2 header (QEMU docs/interop/qcow2.txt); of anything else only the size. Blocks. Throws Error for a
/// header that contradicts itself.
Header read_header(int fd);

} // namespace domus::image
