#include "compute/snapshots/snapshot_tree.hpp"

#include "format/xml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

/// Of a group of two flags none, both or the right one is set.
bool passes(unsigned flags, unsigned yes, unsigned no, bool value) {
    return !(flags & (yes | no)) || (flags & (value ? yes : no));
}

} // namespace

SnapshotEntry make_entry(const model::Snapshot& snapshot) {
    if (!snapshot.name)
        throw Error(ErrorCode::xml_error, ErrorDomain::domain_snapshot, "XML error: a snapshot has no name");
    SnapshotEntry entry;
    entry.name = *snapshot.name;
    entry.parent = snapshot.parent.value_or("");
    entry.state = snapshot.state.value_or(model::SnapshotState::shutoff);
    entry.created = snapshot.creation_time.value_or(0);
    auto written = snapshot;
    written.active.reset();
    entry.xml = format::to_xml(written, {.live = false, .secrets = true});
    return entry;
}

model::Snapshot parse_snapshot(const SnapshotEntry& entry) {
    return format::from_xml<model::Snapshot>(entry.xml, ErrorDomain::domain_snapshot);
}

const SnapshotEntry* SnapshotTree::find(std::string_view name) const {
    const auto found = std::ranges::find(entries_, name, &SnapshotEntry::name);
    return found == entries_.end() ? nullptr : &*found;
}

const SnapshotEntry& SnapshotTree::get(std::string_view name) const {
    if (const auto* entry = find(name)) return *entry;
    throw Error(ErrorCode::no_domain_snapshot, ErrorDomain::qemu,
                fmt::format("Domain snapshot not found: no domain snapshot with matching name '{}'", name));
}

bool SnapshotTree::has_children(std::string_view name) const {
    return std::ranges::find(entries_, name, &SnapshotEntry::parent) != entries_.end();
}

bool SnapshotTree::chosen(const SnapshotEntry& entry, unsigned flags) const {
    using namespace snapshot_list;
    if (!passes(flags, metadata, no_metadata, true)) return false;
    if (!passes(flags, leaves, no_leaves, !has_children(entry.name))) return false;
    if (!passes(flags, internal, external, true)) return false;
    if (!(flags & (inactive | active | disk_only))) return true;
    return flags & (entry.active() ? active : inactive);
}

void SnapshotTree::add_below(std::string_view parent, std::vector<const SnapshotEntry*>& out) const {
    for (const auto& entry : entries_) {
        if (entry.parent != parent) continue;
        out.push_back(&entry);
        add_below(entry.name, out);
    }
}

std::vector<std::string> SnapshotTree::list(unsigned flags) const {
    std::vector<const SnapshotEntry*> all;
    add_below("", all);
    std::vector<std::string> names;
    for (const auto* entry : all)
        if (chosen(*entry, flags) && (!(flags & snapshot_list::roots) || entry->parent.empty()))
            names.push_back(entry->name);
    return names;
}

std::vector<std::string> SnapshotTree::list_below(std::string_view below, unsigned flags) const {
    std::vector<const SnapshotEntry*> all;
    add_below(get(below).name, all);
    std::vector<std::string> names;
    for (const auto* entry : all)
        if (chosen(*entry, flags) && ((flags & snapshot_list::descendants) || entry->parent == below))
            names.push_back(entry->name);
    return names;
}

std::vector<std::string> SnapshotTree::subtree(std::string_view name) const {
    std::vector<const SnapshotEntry*> all{&get(name)};
    add_below(name, all);
    std::vector<std::string> names;
    for (const auto* entry : all) names.push_back(entry->name);
    std::ranges::reverse(names);
    return names;
}

void SnapshotTree::put(SnapshotEntry entry) {
    if (const auto old = std::ranges::find(entries_, entry.name, &SnapshotEntry::name); old != entries_.end())
        entries_.erase(old);
    entries_.insert(std::ranges::upper_bound(entries_, entry.created, {}, &SnapshotEntry::created), std::move(entry));
}

std::vector<SnapshotEntry> SnapshotTree::remove(std::string_view name) {
    const auto gone = get(name);
    std::vector<SnapshotEntry> changed;
    for (auto& entry : entries_) {
        if (entry.parent != gone.name) continue;
        auto snapshot = parse_snapshot(entry);
        snapshot.parent.reset();
        if (!gone.parent.empty()) snapshot.parent = gone.parent;
        entry = make_entry(snapshot);
        changed.push_back(entry);
    }
    std::erase_if(entries_, [&](const SnapshotEntry& entry) { return entry.name == gone.name; });
    if (current_ == gone.name) current_ = gone.parent;
    return changed;
}

std::vector<SnapshotChange> SnapshotTree::changes_without(std::string_view name) const {
    auto tree = *this;
    std::vector<SnapshotChange> changes;
    for (auto& entry : tree.remove(name)) {
        auto before = get(entry.name);
        const bool was_current = entry.name == current_, is_current = entry.name == tree.current_;
        changes.push_back({std::move(before), std::move(entry), was_current, is_current});
    }
    if (current_ == name && !tree.current_.empty())
        changes.push_back({get(tree.current_), tree.get(tree.current_), false, true});
    return changes;
}

void SnapshotTree::clear() {
    entries_.clear();
    current_.clear();
}

} // namespace domus::compute
