// Snapshots on disk: one XML file each, in a folder of their domain.
#include "compute/domain/store.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr const char* intent_file = "intent";
constexpr const char* reversed_file = "intent.reversed"; ///< the same, of what is to be taken back

struct ReadSnapshot {
    SnapshotEntry entry;
    bool current = false;
};

ReadSnapshot read_snapshot(const std::string& name, const std::string& text) {
    const auto snapshot = format::from_xml<model::Snapshot>(text, ErrorDomain::domain_snapshot);
    ReadSnapshot read{make_entry(snapshot), snapshot.active == 1};
    if (read.entry.name == name) return read;
    throw Error(ErrorCode::xml_error, ErrorDomain::domain_snapshot,
                fmt::format("the file is not named after the snapshot '{}' in it", read.entry.name));
}

/// Whether following parents from an entry leads to a root.
bool has_root(const std::vector<SnapshotEntry>& entries, const SnapshotEntry& entry) {
    const auto* at = &entry;
    for (std::size_t steps = 0; steps < entries.size(); ++steps) {
        if (at->parent.empty()) return true;
        const auto parent = std::ranges::find(entries, at->parent, &SnapshotEntry::name);
        if (parent == entries.end()) return false;
        at = &*parent;
    }
    return false;
}

/// A snapshot whose parent is not there, by whatever accident, is a root; so is one that is its own ancestor.
void adopt_orphans(std::vector<SnapshotEntry>& entries) {
    for (auto& entry : entries) {
        const auto is_parent = [&](const SnapshotEntry& other) { return other.name == entry.parent; };
        if (std::ranges::none_of(entries, is_parent)) entry.parent.clear();
    }
    for (auto& entry : entries)
        if (!has_root(entries, entry)) entry.parent.clear();
}

} // namespace

fs::path Store::snapshot_folder(const std::string& domain) const { return folders_.library / "snapshot" / domain; }

void Store::save_snapshot(const std::string& domain, const SnapshotEntry& entry, bool current, bool fresh) const {
    auto snapshot = parse_snapshot(entry);
    snapshot.active = current ? 1 : 0;
    ensure_directory_durably(snapshot_folder(domain), 0700);
    snapshots(domain).save(entry.name, format::to_xml(snapshot, {.live = false, .secrets = true}), fresh);
}

void Store::change_snapshots(const std::string& domain, std::span<const SnapshotChange> changes) const {
    std::size_t written = 0;
    try {
        for (; written < changes.size(); ++written)
            save_snapshot(domain, changes[written].after, changes[written].is_current);
    } catch (...) {
        take_back_changes(domain, changes.first(written));
        throw;
    }
}

void Store::take_back_changes(const std::string& domain, std::span<const SnapshotChange> changes) const {
    for (const auto& change : changes) {
        try {
            save_snapshot(domain, change.before, change.was_current);
        } catch (const std::exception& error) {
            log::warning("domain '{}': the file of snapshot '{}' says that another one is gone: {}", domain,
                         change.before.name, error.what());
        }
    }
}

void Store::remove_snapshot(const std::string& domain, const std::string& name) const {
    remove_durably(snapshots(domain).file(name));
    std::error_code not_empty;
    fs::remove(snapshot_folder(domain), not_empty);
}

/// What was set aside among them stays. On disk before the definition goes: another domain of that name must not find them.
void Store::remove_snapshots(const std::string& domain) const {
    std::error_code ignored;
    const auto folder = snapshot_folder(domain);
    const auto names = listing(folder);
    for (const auto& name : names)
        if (name.ends_with(".xml") || name == intent_file || name == reversed_file) fs::remove(folder / name, ignored);
    if (!names.empty()) sync_folder_of(folder / names.front());
    fs::remove(folder, ignored);
}

SnapshotTree Store::load_snapshots(const std::string& domain, std::vector<Complaint>& complaints) const {
    SnapshotTree tree;
    std::vector<SnapshotEntry> entries;
    auto folder = snapshots(domain);
    for (auto& [name, read] : folder.load(read_snapshot)) {
        if (read.current) tree.set_current(name);
        entries.push_back(std::move(read.entry));
    }
    std::ranges::copy(folder.complaints(), std::back_inserter(complaints));
    adopt_orphans(entries);
    for (auto& entry : entries) tree.put(std::move(entry));
    return tree;
}

void Store::save_intent(const std::string& domain, const SnapshotIntent& intent) const {
    ensure_directory_durably(snapshot_folder(domain), 0700);
    write_file_durably(snapshot_folder(domain) / intent_file, format::to_xml(intent, {.live = false, .secrets = true}),
                       0600);
}

void Store::reverse_intent(const std::string& domain) const {
    fs::rename(snapshot_folder(domain) / intent_file, snapshot_folder(domain) / reversed_file);
}

void Store::remove_intent(const std::string& domain) const {
    std::error_code failure;
    if (!fs::exists(snapshot_folder(domain), failure)) return;
    remove_durably(snapshot_folder(domain) / intent_file);
    remove_durably(snapshot_folder(domain) / reversed_file);
    fs::remove(snapshot_folder(domain), failure); // unless there are snapshots
}

std::optional<SnapshotIntent> Store::load_intent(const std::string& domain, std::vector<Complaint>& complaints) const {
    const auto is_there = [&](const char* name) {
        std::error_code failure;
        return fs::is_regular_file(fs::symlink_status(snapshot_folder(domain) / name, failure));
    };
    const bool reversed = is_there(reversed_file);
    const auto* name = reversed ? reversed_file : intent_file;
    if (!is_there(name)) return std::nullopt;
    std::string fault = "it does not say what was to be done";
    try {
        auto intent = format::from_xml<SnapshotIntent>(read_file(snapshot_folder(domain) / name, largest_record),
                                                       ErrorDomain::domain_snapshot);
        if (reversed) intent.action = SnapshotAction::remove;
        if (intent.snapshot && intent.snapshot->name && intent.snapshot->domain) return intent;
    } catch (const std::exception& error) {
        fault = error.what();
    }
    StoredFolder folder(snapshot_folder(domain), largest_record, "");
    folder.reject(name, fault);
    std::ranges::copy(folder.complaints(), std::back_inserter(complaints));
    return std::nullopt;
}

std::vector<std::string> Store::domains_with_snapshots() const { return listing(folders_.library / "snapshot"); }

} // namespace domus::compute
