// Operations on snapshots. A snapshot is named by its domain and its name, as on the wire.
#pragma once

#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/domain_flags.hpp"
#include "service/objects.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::service {

/// A snapshot as readers see it.
struct SnapshotView {
    compute::DomainRef domain; ///< as it is now: a client's id may be older than its last start
    std::string name, parent;  ///< parent: empty at a root
    bool current = false;      ///< the domain stands on it
};

/// Snapshots of one domain.
struct SnapshotList {
    compute::DomainRef domain;
    std::vector<std::string> names;
};

class SnapshotOperations {
public:
    explicit SnapshotOperations(compute::Domains& domains) : domains_(domains) {}

    SnapshotList list(const compute::DomainRef& ref, Flags<SnapshotListFlag> flags) const;
    /// Children of one, or all its descendants.
    SnapshotList list_children(const compute::DomainRef& ref, const std::string& snapshot,
                               Flags<SnapshotListFlag> flags) const;
    /// Throws no_domain_snapshot.
    SnapshotView get(const compute::DomainRef& ref, const std::string& snapshot) const;
    /// The one that the domain stands on.
    std::optional<SnapshotView> current(const compute::DomainRef& ref) const;
    std::string xml(const compute::DomainRef& ref, const std::string& snapshot, Flags<SnapshotXmlFlag> flags) const;

    Task<SnapshotView> create(Caller caller, compute::DomainRef ref, std::string xml, Flags<SnapshotCreateFlag> flags);
    Task<> revert(Caller caller, compute::DomainRef ref, std::string snapshot, Flags<RevertFlag> flags);
    Task<> remove(Caller caller, compute::DomainRef ref, std::string snapshot, Flags<SnapshotDeleteFlag> flags);

private:
    compute::DomainPtr find(const compute::DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
};

inline Object object_of(const SnapshotView& view) { return {"snapshot", view.name, {}}; }

} // namespace domus::service
