// What a wanted snapshot is to hold, judged against the domain before anything is touched. This version keeps memory
// and disks inside the domain's own images (qcow2); what asks for other files is refused by name.
#pragma once

#include "model/snapshot.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

/// Completes `wanted` from the definition that the domain runs or would start with: name (from `now`, in seconds since
/// 1970), time, state, memory, an entry for each disk. Throws config_unsupported in libvirt's words for what cannot be.
void complete_snapshot(model::Snapshot& wanted, const model::Domain& domain, model::SnapshotState state,
                       std::int64_t now);

/// Rules on names: they are files too.
void require_snapshot_name(const std::string& name);

/// Throws operation_invalid if a definition in it is that of another domain. The name may be an earlier one: it becomes that
/// of the domain.
void require_snapshot_of(model::Snapshot& snapshot, const std::string& name, const Uuid& uuid);

/// The disks of `domain` that a snapshot keeps inside their images.
std::vector<const model::Disk*> internal_disks(const model::Snapshot& snapshot, const model::Domain& domain);

/// Copies of them, for the machine. Throws operation_invalid if there is none any more.
std::vector<model::Disk> disks_of(const model::Snapshot& snapshot, const model::Domain& domain);

/// A file or device of this host; images on servers are not looked into.
bool is_here(const model::Disk& disk);

/// Whether the image holds a snapshot of that name. Throws what opening or reading it throws.
bool image_has_snapshot(const std::string& path, const std::string& name);

/// By what qemu-img goes back to the snapshot of that name, and to no other: QEMU takes a name for an id first, and numbers
/// are names too. The name itself where there is none.
std::string snapshot_reference(const std::string& path, const std::string& name);

/// The name of the snapshot to which QEMU goes back in place of the one of that name, since it has the name as its id.
std::optional<std::string> snapshot_mistaken_for(const std::string& path, const std::string& name);

} // namespace domus::compute
