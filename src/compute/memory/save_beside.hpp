// A save over an older file is written beside that, as NAME.unfinished, and takes its place when it is whole: until then
// the older one is as it was. Where this cannot be, since the caller may make no files in the folder or its sticky bit
// keeps others' files, the older one is written over. What a kill leaves behind is unfinished and locked by nobody: the
// next save over the same file removes it. Blocks.
#pragma once

#include "os/credentials.hpp"
#include "os/unique_fd.hpp"

#include <filesystem>
#include <optional>
#include <string_view>

namespace domus::compute {

/// An open file description's lock on all of it (fcntl(2)): against QEMU, whose images are locked so, and against other
/// saves. File systems without locks go without. Throws resource_busy.
void lock_save(const UniqueFd& fd, short type, const std::filesystem::path& path);

/// The magic of a file that a save is under way to.
inline constexpr std::string_view magic_unfinished = "LibvirtQemudPart";

struct SaveBeside {
    UniqueFd fd;                  ///< empty, locked, the caller's
    std::filesystem::path path;   ///< its name until it is whole
    std::filesystem::path target; ///< that of the older one, without links

    /// Gives it the older one's owner and mode, as far as the caller may.
    void take_over_rights(const Credentials& caller, const UniqueFd& older) const;
    /// Throws, and leaves both, if one of the names is another file's by now. Not synced.
    void take_place(const Credentials& caller, const UniqueFd& older) const;
};

/// Nothing where it cannot be. Throws for other reasons: the disk is full, too many such files are there.
std::optional<SaveBeside> open_beside(const Credentials& caller, const UniqueFd& older);

/// Removes what is in a folder of ours from saves that nobody is at any more.
void sweep_saves_beside(const std::filesystem::path& folder);

} // namespace domus::compute
