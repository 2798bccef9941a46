// The chain of an image and those below it. Only what each image says by itself is followed, and only where it names
// the format: the contents of a backing file whose format nobody names may look like any, and so name any file of the
// host.
#pragma once

#include "image/header.hpp"
#include "os/unique_fd.hpp"

#include <functional>

namespace domus::image {

constexpr std::size_t longest_chain = 200; ///< images

struct Link {
    std::string path;
    Header header;
};

struct Chain {
    std::vector<Link> links; ///< the image itself first
    /// Below the last: an image that is no file of this host, as written ("nbd://...", "json:...").
    std::optional<std::string> elsewhere;
};

/// How files are opened: with whose rights. Throws Error.
using Opener = std::function<UniqueFd(const std::string& path)>;
/// For reading, without waiting for a pipe's writer.
UniqueFd open_image(const std::string& path);

/// Whether a name that an image has for another is no path: "nbd://host/disk", "json:{...}".
bool is_elsewhere(std::string_view named);
/// The path that an image's name for another means; "file:" before it is QEMU's own word for a path.
std::string beside(const std::string& image, std::string_view named);

/// Throws Error: what reading a header throws, naming the image; operation_invalid for a backing file without a format,
/// operation_failed for a chain that is longer than `longest_chain` or comes back to itself. Without `format` the
/// first image's is guessed (probe_header says when that does no harm).
Chain read_chain(const std::string& path, const std::optional<std::string>& format, const Opener& open = open_image);

} // namespace domus::image
