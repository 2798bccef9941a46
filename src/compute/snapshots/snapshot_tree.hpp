// The snapshots of one domain as a tree: each knows the one that the domain stood on when it was made. Plain values;
// who changes them also writes them down (store.hpp).
#pragma once

#include "model/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

struct SnapshotEntry {
    std::string name;
    std::string parent; ///< empty: it is a root
    model::SnapshotState state = model::SnapshotState::shutoff;
    std::int64_t created = 0; ///< seconds since 1970
    std::string xml;          ///< whole, with secrets
    bool active() const { return state == model::SnapshotState::running || state == model::SnapshotState::paused; }
};

/// Throws what from_xml throws, and xml_error if it has no name.
SnapshotEntry make_entry(const model::Snapshot& snapshot);
model::Snapshot parse_snapshot(const SnapshotEntry& entry);

namespace snapshot_list { // virDomainSnapshotListFlags
inline constexpr unsigned roots = 1, descendants = 1, metadata = 2, leaves = 4, no_leaves = 8, no_metadata = 16,
                          inactive = 32, active = 64, disk_only = 128, internal = 256, external = 512,
                          topological = 1024;
inline constexpr unsigned all = 2047;
} // namespace snapshot_list

/// What happens to one snapshot's file when another one is removed.
struct SnapshotChange {
    SnapshotEntry before, after;
    bool was_current = false, is_current = false;
};

class SnapshotTree {
public:
    const SnapshotEntry* find(std::string_view name) const;
    /// Throws no_domain_snapshot.
    const SnapshotEntry& get(std::string_view name) const;
    bool empty() const { return entries_.empty(); }
    std::size_t size() const { return entries_.size(); }

    /// Those that virDomainSnapshotListFlags choose, each after its parent. `below`: of its children, or all
    /// descendants.
    std::vector<std::string> list(unsigned flags) const;
    std::vector<std::string> list_below(std::string_view below, unsigned flags) const;
    /// It and all below it, each before its parent: in the order in which they can go.
    std::vector<std::string> subtree(std::string_view name) const;

    /// The one that the domain stands on; empty: none.
    const std::string& current() const { return current_; }
    void set_current(std::string name) { current_ = std::move(name); }

    /// Replaces one of that name.
    void put(SnapshotEntry entry);
    /// Its children become those of its parent, which is current if it was. Returns the children, changed.
    std::vector<SnapshotEntry> remove(std::string_view name);
    /// What remove() would change in others: the children, and the parent if it becomes current. Throws no_domain_snapshot.
    std::vector<SnapshotChange> changes_without(std::string_view name) const;
    void clear();

private:
    bool has_children(std::string_view name) const;
    bool chosen(const SnapshotEntry& entry, unsigned flags) const;
    void add_below(std::string_view parent, std::vector<const SnapshotEntry*>& out) const;

    std::vector<SnapshotEntry> entries_; ///< by the time of their creation
    std::string current_;
};

} // namespace domus::compute
