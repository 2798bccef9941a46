// Snapshots of a domain inside its images: made, gone back to, deleted. One job each.
#pragma once

#include "compute/domain/domain.hpp"
#include "compute/memory/memory.hpp"

#include <string>

namespace domus::format {
enum class Reading;
}

namespace domus::compute {

struct SnapshotRequest {
    std::string xml;
    format::Reading reading{};
    bool redefine = false;    ///< only what is known of one that is there
    bool current = false;     ///< redefined: the domain stands on it
    bool halt = false;        ///< the guest ends with it
    bool no_metadata = false; ///< only in the images
    Credentials caller;
};

struct RevertRequest {
    StateAfterRestore state = StateAfterRestore::as_it_was;
    bool force = false; ///< even if the process must be replaced
    Credentials caller;
};

struct DeleteRequest {
    bool children = false, children_only = false;
    bool metadata_only = false; ///< leave the images as they are
    Credentials caller;
};

/// Returns its name.
Task<std::string> create_snapshot(DomainPtr domain, SnapshotRequest request);
Task<> revert_to_snapshot(DomainPtr domain, std::string name, RevertRequest request);
Task<> delete_snapshot(DomainPtr domain, std::string name, DeleteRequest request);
/// What the store has.
void take_snapshots(Domain& domain, SnapshotTree snapshots);

} // namespace domus::compute
