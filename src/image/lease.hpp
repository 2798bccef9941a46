// A note beside an image that other hosts may use too, `.NAME.domus-lease`: which domain of which host writes to it. It is
// for people: who may use the image is decided by its locks (lock.hpp), so that a note which outlived its guest, as after
// a power cut, keeps nobody off.
#pragma once

#include "format/schema.hpp"
#include "os/credentials.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace domus::image {

struct Lease {
    std::string host, domain, uuid;
    static const format::Schema& schema();
    bool operator==(const Lease&) const = default;
};

/// Whether the file behind `fd` lies on a file system that other hosts may have as well.
bool is_shared(int fd);

/// Where the note of an image lies, whichever link leads to it.
std::string lease_path(const std::string& image);
bool is_lease(std::string_view file_name);

/// Nothing if there is none, or none that can be understood. Blocks.
std::optional<Lease> read_lease(const std::string& image);
/// With the rights of `who`; replaces one that is there. Blocks.
void write_lease(const Credentials& who, const std::string& image, const Lease& lease);
/// Whosever it is: the image has gone. Blocks.
void forget_lease(const std::string& image);
/// If it is this one; with the rights of its owner. Blocks.
void remove_lease(const std::string& image, const Lease& lease);

} // namespace domus::image
