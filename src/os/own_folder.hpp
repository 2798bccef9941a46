// Folders that the daemon relies on: what it reads there it believes, and what it deletes there it deletes whole. So
// nobody but the daemon's user and root may be able to change them, or to put others in their place. Blocks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace domus {

/// Whether a folder that was made is there after a power cut.
enum class NewFolders : std::uint8_t { as_the_kernel_likes, synced };

/// Makes the folder and what is missing above it, and looks at each component from `from` on: it belongs to us or to
/// root, others may not write to it (above the folder itself, they may where the sticky bit keeps them off ours), and a
/// symbolic link on the way is root's or ours. Throws an Error that names the component which is not so.
void require_own_folder(const std::filesystem::path& folder, mode_t mode, const std::filesystem::path& from = "/",
                        NewFolders made = NewFolders::as_the_kernel_likes);

/// Removes the folder `name` in `parent`, and all that is in it. It follows no link and enters no other file system;
/// `name` is one component. Nothing happens if it is not there. `last`: a file in it that goes after all others, so that
/// whoever finds a part of the tree finds that too. Throws Error.
void remove_tree(const std::filesystem::path& parent, const std::string& name, std::string_view last = {});

} // namespace domus
