// What making, copying and resizing volumes' files have in common.
#pragma once

#include "async/progress.hpp"
#include "os/process.hpp"
#include "os/unique_fd.hpp"
#include "storage/kind.hpp"

#include <string>

namespace domus::storage {

/// Throws what cannot be made, before anything is. Flags: virStorageVolCreateFlags.
void admit_volume(const model::Volume& wanted, unsigned flags);

/// How it is written: what a partition is for does not tell.
std::string format_of(const model::Volume& volume);
/// Whether it is to have all of its space at once.
bool is_full(const model::Volume& wanted);
/// Space for all of it, whatever it holds.
void reserve(const UniqueFd& fd, const std::string& path, ByteCount size, Progress& progress);
/// Space for the bytes from `begin` to `end`: at once where the file system can, else it is written. `mode`: of fallocate(2).
/// Returns an errno, or 0. Throws operation_aborted.
int allocate(int fd, std::uint64_t begin, std::uint64_t end, int mode, Progress& progress);

/// Throws if whoever asked for a new image at `path` could not read what is to be below it.
Task<> require_backing(std::string path, model::VolumeBackingStore backing, Site site);

/// Options of `qemu-img -o` for a new image.
std::string creation_options(const model::Volume& wanted, bool preallocate_metadata);
/// qemu-img for what is being made: it ends with us.
Command making_command();
/// Runs one that makes an encrypted image.
Task<> make_encrypted(std::shared_ptr<Command> command, std::string purpose, Site site);

/// The image of that volume's kind in `file`, which was opened at `path`; by qemu-img. Flags: virStorageVolResizeFlags.
Task<> resize_image(VolumePtr volume, std::shared_ptr<UniqueFd> file, std::string path, ByteCount capacity,
                    unsigned flags, std::string purpose, Site site);

} // namespace domus::storage
