// Who else uses an image, and using it so that others see it: by the locks that QEMU takes on single bytes of the file
// (QEMU block/file-posix.c). The byte 100 + N is locked by who makes use of the permission N; 200 + N by who does not
// share it. They are locks of the open file description (fcntl(2), F_OFD_SETLK): one that is handed to QEMU keeps them
// for as long as QEMU has it, whatever becomes of us, and over NFS other hosts see them.
//
//     auto fd = open_file(path, O_RDWR);
//     if (!image::claim(fd.get(), {.write = true})) throw image::in_use(path, fd.get());
//     command.pass(std::move(fd));                  // used until that process ends
#pragma once

#include "os/unique_fd.hpp"

#include <string>

namespace domus::image {

struct Use {
    bool any = false;    ///< somebody has it open
    bool writes = false; ///< and may write to it
};

/// Looks, without locking anything; a file system without locks reports no use. Throws system_error.
Use look_for_use(int fd);

/// How a guest's disk uses its image.
struct Claim {
    bool write = false;
    bool share = false; ///< others may write to it meanwhile (<shareable/>)
};

/// Locks as QEMU does for such a disk, through a descriptor that can be read from; the locks end with the descriptor.
/// False, and nothing is locked, if that does not go with how others use it. Where a file system has no locks everybody
/// has it. Throws system_error.
bool claim(int fd, Claim how);

/// For work that goes with no other use at all: true while nobody else has it.
bool claim_alone(int fd);

/// Opens a file or block device and claims it alone until the descriptor is closed. Throws in_use().
UniqueFd hold_alone(const std::string& path);

} // namespace domus::image
