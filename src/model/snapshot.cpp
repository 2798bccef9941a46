#include "model/snapshot.hpp"

namespace domus::model {

using format::Describe;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& SnapshotDisk::schema() {
    static const Schema table =
        Describe<SnapshotDisk>("disk", "How one disk was kept.")
            .field("@name", &SnapshotDisk::name, "its target, or the path of its source", required)
            .field("@snapshot", &SnapshotDisk::snapshot, "where its contents were kept")
            .field("@type", &SnapshotDisk::type, "external: kind of place of the new image")
            .field("driver@type", &SnapshotDisk::driver_type, "external: format of the new image")
            .field("source", &SnapshotDisk::source);
    return table;
}

Snapshot::Snapshot() = default;
Snapshot::Snapshot(const Snapshot&) = default;
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(const Snapshot&) = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;
bool Snapshot::operator==(const Snapshot&) const = default;

const Schema& Snapshot::schema() {
    static const Schema table =
        Describe<Snapshot>("domainsnapshot", "A snapshot of a domain.")
            .field("name", &Snapshot::name, "its name; made from the time if missing")
            .field("description", &Snapshot::description, "what it is for")
            .field("state", &Snapshot::state, "what the domain did")
            .field("parent/name", &Snapshot::parent, "the snapshot before it")
            .field("creationTime", &Snapshot::creation_time, "seconds since 1970")
            .field("memory@snapshot", &Snapshot::memory, "where memory was kept")
            .field("memory@file", &Snapshot::memory_file, "external: its file", never_empty)
            .field("disks/disk", &Snapshot::disks)
            .field("domain", &Snapshot::domain, "its definition then")
            .field("inactiveDomain", &Snapshot::inactive_domain, "its definition for the next start, then")
            .field("active", &Snapshot::active, "in its file: 1 if the domain stands on it");
    return table;
}

} // namespace domus::model
