// Who else uses an image: QEMU marks each use by locks on single bytes of the file (QEMU block/file-posix.c). The byte
// 100 + N is locked by who makes use of the permission N; 200 + N by who does not share it.
#pragma once

namespace domus::image {

struct Use {
    bool any = false;    ///< a QEMU has it open
    bool writes = false; ///< and may write to it
};

/// Looks, without locking anything; a file system without locks tells of no use. Throws system_error.
Use look_for_use(int fd);

} // namespace domus::image
