// New, empty qcow2 images, written by ourselves: a few numbers in a sparse file, where starting qemu-img costs ten times
// as much. What takes more than that (encryption, preallocation, external data) is qemu-img's.
#pragma once

#include "base/bytes.hpp"

#include <optional>
#include <string>

namespace domus::image {

struct NewQcow2 {
    ByteCount virtual_size; ///< rounded up to sectors of 512 bytes
    unsigned version = 3;   ///< 2 ("0.10") or 3 ("1.1")
    ByteCount cluster_size{65536};
    bool lazy_refcounts = false, extended_l2 = false; ///< of version 3 only
    std::optional<std::string> backing_file{}, backing_format{};
};

/// Fills an empty file (QEMU docs/interop/qcow2.txt). Throws config_unsupported for what the format cannot have, before
/// anything is written; system_error.
void write_new_qcow2(int fd, const NewQcow2& wanted);

} // namespace domus::image
