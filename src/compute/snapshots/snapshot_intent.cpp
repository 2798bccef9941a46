#include "compute/snapshots/snapshot_intent.hpp"

namespace domus::compute {

SnapshotIntent::SnapshotIntent(SnapshotAction what, model::Snapshot of, const Credentials& who)
    : action(what), uid(who.uid), gid(who.gid), groups(who.groups.begin(), who.groups.end()), snapshot(std::move(of)) {}

Credentials SnapshotIntent::caller() const {
    return {.uid = uid, .gid = gid, .pid = 0, .groups = {groups.begin(), groups.end()}};
}

const format::Schema& SnapshotIntent::schema() {
    static const format::Schema table =
        format::Describe<SnapshotIntent>("intent", "A change of snapshots that is under way.")
            .field("@action", &SnapshotIntent::action)
            .field("@metadata", &SnapshotIntent::metadata)
            .field("@uid", &SnapshotIntent::uid)
            .field("@gid", &SnapshotIntent::gid)
            .field("group", &SnapshotIntent::groups)
            .field("domainsnapshot", &SnapshotIntent::snapshot);
    return table;
}

} // namespace domus::compute
