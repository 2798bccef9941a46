// Snapshots on disk: one XML file each, in a folder of their domain.
#include "compute/store.hpp"

#include "base/error.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_snapshot = 8u << 20;

/// A snapshot whose parent is not there, by whatever accident, is a root.
void adopt_orphans(std::vector<SnapshotEntry>& entries) {
    for (auto& entry : entries) {
        const auto is_parent = [&](const SnapshotEntry& other) { return other.name == entry.parent; };
        if (std::ranges::none_of(entries, is_parent)) entry.parent.clear();
    }
}

} // namespace

fs::path Store::snapshot_folder(const std::string& domain) const {
    return folders_.library / "snapshot" / domain;
}

void Store::save_snapshot(const std::string& domain, const SnapshotEntry& entry, bool current) const {
    auto snapshot = parse_snapshot(entry);
    snapshot.active = current ? 1 : 0;
    ensure_directory(snapshot_folder(domain), 0700);
    write_file_durably(snapshot_folder(domain) / (entry.name + ".xml"),
                       format::to_xml(snapshot, {.live = false, .secrets = true}), 0600);
}

void Store::remove_snapshot(const std::string& domain, const std::string& name) const {
    remove_durably(snapshot_folder(domain) / (name + ".xml"));
    std::error_code not_empty;
    fs::remove(snapshot_folder(domain), not_empty);
}

void Store::remove_snapshots(const std::string& domain) const {
    std::error_code ignored;
    fs::remove_all(snapshot_folder(domain), ignored);
}

SnapshotTree Store::load_snapshots(const std::string& domain, std::vector<std::string>& complaints) const {
    SnapshotTree tree;
    std::vector<SnapshotEntry> entries;
    std::error_code none;
    for (const auto& file : fs::directory_iterator(snapshot_folder(domain), none)) {
        const auto& path = file.path();
        if (path.extension() != ".xml" || !file.is_regular_file()) continue;
        try {
            const auto snapshot =
                format::from_xml<model::Snapshot>(read_file(path, largest_snapshot), ErrorDomain::domain_snapshot);
            auto entry = make_entry(snapshot);
            if (entry.name + ".xml" != path.filename())
                throw Error(ErrorCode::xml_error, ErrorDomain::domain_snapshot,
                            "the file is not named after the snapshot in it");
            if (snapshot.active == 1) tree.set_current(entry.name);
            entries.push_back(std::move(entry));
        } catch (const std::exception& error) {
            complaints.push_back(fmt::format("left aside '{}': {}", path.string(), error.what()));
        }
    }
    adopt_orphans(entries);
    for (auto& entry : entries) tree.put(std::move(entry));
    return tree;
}

std::vector<std::string> Store::domains_with_snapshots() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folders_.library / "snapshot", none)) names.push_back(entry.path().filename().string());
    return names;
}

} // namespace domus::compute
