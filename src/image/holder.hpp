// Who it is that uses an image, for people: the locks themselves tell no names. On this host the process that holds them
// is looked for in /proc (proc(5): fdinfo lists the locks of a descriptor); what another host uses tells by a note beside
// the image (lease.hpp).
#pragma once

#include "base/error.hpp"

#include <optional>
#include <string>

namespace domus::image {

struct Holder {
    int pid = 0;              ///< 0: of another host
    std::string program;      ///< "qemu-system-x86"
    std::string domain, uuid; ///< where it is a guest's process
    std::string host;         ///< empty: this one

    /// "domain 'web' (uuid ..., process 4711)"
    std::string text() const;
};

/// A process of this host; where it is a guest's, whose, by its command line.
Holder describe_holder(int pid);

/// The domain that a guest's command line names; what it does not name is empty.
struct NamedDomain {
    std::string name, uuid;
};
NamedDomain domain_of(int pid);

/// Somebody who has locks on the file behind `fd`; others before ourselves. Nothing if there is none, or it is a process
/// that we may not look at. Blocks.
std::optional<Holder> find_holder(int fd, const std::string& path);

/// resource_busy: who uses it, and what to do. Blocks.
Error in_use(const std::string& path, int fd);

/// What to do about it.
std::string way_out(const std::optional<Holder>& holder, const std::string& path);

} // namespace domus::image
