// Files and folders. Everything here blocks, as the disk does: from the loop, call it in a lane.
// All functions throw Error; one that names a path says which component of it refused.
#pragma once

#include "base/error.hpp"
#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace domus {

/// open(2) with O_CLOEXEC added.
UniqueFd open_file(const std::filesystem::path& path, int flags, mode_t mode = 0600);

/// The whole of a regular file; an Error if it is another kind of file, or longer than `limit` bytes. Waits for nobody:
/// a FIFO is refused and not opened for good.
std::string read_file(const std::filesystem::path& path, std::size_t limit);
/// The same for what is open already; `path` is for errors.
std::string read_whole(int fd, std::size_t limit, const std::filesystem::path& path);
/// So many bytes from that one on: fewer where the file ends. pread(2).
std::string read_at(int fd, std::size_t size, std::uint64_t at, const std::filesystem::path& path);
/// In words: "a FIFO".
std::string_view kind_of_file(mode_t mode);

/// Whether both are the same file: device and inode number (inode(7)). Two nodes of one device are two files.
bool same_file(const struct stat& one, const struct stat& other);
/// Whether `name`, in the folder that is open as `folder`, is a name of the file open as `fd`. A symbolic link counts as
/// itself. False also if one of them cannot be looked at; does not throw.
bool is_name_of(const std::filesystem::path& name, int fd, int folder = AT_FDCWD);

/// The names in a folder, sorted, without "." and ".."; none if there is no such folder.
std::vector<std::string> names_in(const std::filesystem::path& folder);

/// Replaces a file so that a power cut at any instant leaves the old or the new contents: temporary file in the same
/// folder, fsync, rename, fsync of the folder. An Error leaves the old ones.
void write_file_durably(const std::filesystem::path& path, std::string_view contents, mode_t mode);
/// Replaces a file as a whole, without syncing: for folders in memory.
void replace_file(const std::filesystem::path& path, std::string_view contents, mode_t mode);
/// Renames a file, over one that has the new name, and syncs the new name's folder; false if there is no `from`.
bool rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);
/// Removes temporary files of write_file_durably(), replace_file() and remove_durably() whose maker was killed.
void remove_leftovers(const std::filesystem::path& folder);
/// Removes a file and syncs its folder; nothing happens if there is none. An Error leaves it.
void remove_durably(const std::filesystem::path& path);
/// The same for what is of no use any more, and what the next start of the daemon removes too: a failure is a line in the log.
void remove_if_possible(const std::filesystem::path& path) noexcept;
/// So that a name in a folder that was made, changed or removed is so after a power cut. File systems that sync no folders
/// (EINVAL: some of other machines) go without.
void sync_folder_of(const std::filesystem::path& path);
/// Makes a symbolic link and syncs its folder; nothing happens if something has its name.
void make_link_durably(const std::filesystem::path& target, const std::filesystem::path& link);

/// Creates a folder of ours and those above it where they are missing. One that is there already must be ours, and so
/// must the one that it lies in (require_own_folder, os/own_folder.hpp).
void ensure_directory(const std::filesystem::path& path, mode_t mode);
/// The same, and what was made is there after a power cut: for folders of what is kept.
void ensure_directory_durably(const std::filesystem::path& path, mode_t mode);

void write_all(int fd, std::string_view contents, const std::filesystem::path& path);

/// An Error for a path that could not be used, naming the component at fault: "cannot open '/a/b/c': Permission denied:
/// '/a/b' may not be searched by uid 1000".
Error path_error(int number, std::string_view what, const std::filesystem::path& path);

/// An anonymous file in memory with these contents, at offset 0. Sealed: nobody changes it any more.
UniqueFd make_memfd(const char* name, std::string_view contents);

/// The same with what a file holds.
UniqueFd copy_to_memfd(const char* name, int fd);

/// What the lock commands of fcntl(2) take, also those of open file descriptions: `count` bytes from `first` on. Count 0: all
/// from there on, however long the file gets. Type: F_RDLCK, F_WRLCK or F_UNLCK.
struct flock lock_range(short type, off_t first, off_t count);

/// A lock of this process on a file (fcntl(2), F_SETLK): it ends with its owner or the process, whose children do not
/// hold it, also not between fork and exec. For files that the process opens in this one place only.
class FileLock {
public:
    /// Mode 0600; one that others own, may open or lock is replaced. Throws resource_busy, naming the holder's pid if here.
    static FileLock acquire(const std::filesystem::path& path);

private:
    explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace domus
