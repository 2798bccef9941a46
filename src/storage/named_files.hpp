// Files that an image names: its backing images, its data file and its extents. Whoever can write to a volume chooses these
// names, so they are checked against the rights of whoever asks for the work, not against those of the pool.
#pragma once

#include "storage/opener.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::storage {

/// Files that stay open, and claimed so that nobody writes to them.
using HeldFiles = std::vector<std::shared_ptr<UniqueFd>>;

/// For a new image at `image` that names `backing`: throws path_error if the asker cannot read that or an image below it,
/// operation_denied if one of them is no file.
void require_readable_backing(const Opener& asker, const std::string& image, const std::string& backing,
                              const std::optional<std::string>& format);

/// For a program that opens `image`, which is open as `file`, and then, by their names and with the pool's rights, the files
/// that it names. These must be volumes of active pools in folders where nobody but root can replace a file, and nobody but
/// root may write to an image whose header is read. Returns them, without `image`; the caller keeps them until the program
/// has ended. Throws operation_denied, in_use(), and what reading the headers throws.
HeldFiles hold_named_files(const Opener& asker, const std::string& image, const UniqueFd& file,
                           const std::string& format);

} // namespace domus::storage
