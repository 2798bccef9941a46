// The images on servers that a domain has for itself on this host. They have no file whose locks would tell who uses them,
// so that a file of ours stands for each (compute/network_lock.hpp), which QEMU has open as the node "TARGET-lease" for as
// long as it has the disk.
#pragma once

#include "model/disk.hpp"

#include <optional>
#include <string>

namespace domus::engine::qemu {

/// What names the disk's image on a server, with standard ports filled in: "nbd://192.0.2.1:10809/export". Nothing for
/// other disks, and for what is only read (http, ftp).
std::optional<std::string> leased_source(const model::Disk& disk);

/// The node that holds the lease.
std::string lease_node_of(const model::Disk& disk);

} // namespace domus::engine::qemu
