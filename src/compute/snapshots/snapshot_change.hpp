// Changes of snapshots in a domain's images and in what is known of them, and how those that were cut off are settled.
#pragma once

#include "compute/domain/domain.hpp"

#include <string>
#include <vector>

namespace domus::compute {

// ---- images (snapshot_images.cpp) -----------------------------------------------------------------------------------

struct InImages {
    std::size_t images = 0, have_it = 0; ///< files and devices of this host, and how many of them have the snapshot
    std::size_t elsewhere = 0;           ///< images on servers, which are not looked into
};
Task<InImages> look_into_images(DomainPtr domain, model::Snapshot snapshot);
/// Throws operation_failed if an image has one of that name, which the domain does not know.
Task<> require_new_in_images(DomainPtr domain, model::Snapshot snapshot);
/// Before something is given up for it.
Task<> require_in_images(DomainPtr domain, model::Snapshot snapshot);
/// Throws operation_failed if the machine would take another one for it.
Task<> require_unmistakable(DomainPtr domain, model::Snapshot snapshot);
/// All or none of the images have it afterwards.
Task<> make_in_images(DomainPtr domain, Credentials caller, model::Snapshot snapshot, model::Domain definition);
Task<> apply_to_images(DomainPtr domain, model::Snapshot snapshot, Credentials caller);
Task<> drop_from_images(DomainPtr domain, model::Snapshot snapshot, Credentials caller);

// ---- what is known of them ------------------------------------------------------------------------------------------

Task<> keep_snapshot(DomainPtr domain, SnapshotEntry entry, bool current);
/// `changes`: those of others that are not yet written.
Task<> forget_snapshot(DomainPtr domain, std::string name, std::vector<SnapshotChange> changes);

// ---- intents (snapshot_settle.cpp) ----------------------------------------------------------------------------------

Task<> note_intent(DomainPtr domain, SnapshotIntent intent);
Task<> clear_intent(DomainPtr domain);
/// What could not be settled before comes first: there is one intent at a time. It may remove a snapshot or add one, so a
/// call begins with it, before it looks for those that it is about.
Task<> settle_earlier(DomainPtr domain);
/// What fails is tried again. Only disks that were to go back are not: what is written to them from now on would be lost.
Task<> settle_or_keep(DomainPtr domain, SnapshotIntent intent);
void keep_unsettled(const DomainPtr& domain, SnapshotIntent intent);
/// Completes or takes back what a daemon that was killed has left half done.
void finish_intent(const DomainPtr& domain, SnapshotIntent intent);

} // namespace domus::compute
