// Opening the files of volumes by their paths.
#pragma once

#include "os/process.hpp"
#include "os/unique_fd.hpp"

#include <memory>
#include <string>

namespace domus::storage {

/// open(2). In a folder that others may write to, a link is not followed (ELOOP): they would choose where it leads, and
/// what is done with the volume would be done there.
UniqueFd open_volume_file(const std::string& path, int flags);
/// The same, but a failure is told by errno.
UniqueFd try_open_volume_file(const std::string& path, int flags);

/// Whether somebody beside root and us can put other files into that folder. Throws path_error.
bool others_may_write_to(const std::string& folder);

/// The name of an open file for a program, which opens it by that. Nobody can put another file in its place, but names that
/// the image has of others count from the image's own: with `names_others` it is `path`, and config_unsupported is thrown
/// where others may write to the folder. Throws what looking at the folder throws.
std::string name_for_program(Command& command, std::shared_ptr<UniqueFd> file, const std::string& path,
                             bool names_others);
/// Whether the image names others (backing image, data, extents) from its own folder. Where its header cannot be read it
/// does not: the program tells what is wrong with it.
bool names_others(const UniqueFd& image, const std::string& format);
/// Whether a backing image's name is one from the image's own folder.
bool is_relative(const std::string& name);

} // namespace domus::storage
