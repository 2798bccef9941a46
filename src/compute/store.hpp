// Definitions on disk: one XML file a domain, readable and editable, in libvirt's layout. A file is replaced by
// writing, syncing and renaming a temporary one and syncing the folder, so that a power cut at any instant leaves the
// old or the new one. Everything here blocks: call it in a lane.
#pragma once

#include "compute/definition.hpp"
#include "compute/folders.hpp"
#include "compute/snapshot_tree.hpp"
#include "compute/status.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::compute {

struct StoredDomain {
    DomainRef ref;
    DefinitionPtr definition;
    bool autostart = false;
    bool managed_save = false; ///< a whole one is there
};

struct LoadedDomains {
    std::vector<StoredDomain> domains;
    std::vector<std::string> complaints; ///< a line for each file that was set aside
};

struct RunRecord;

struct LoadedRecords {
    std::vector<std::shared_ptr<const RunRecord>> records;
    std::vector<std::string> complaints;
};

class Store {
public:
    explicit Store(Folders folders) : folders_(std::move(folders)) {}

    const Folders& folders() const { return folders_; }

    /// Creates the folders that are missing.
    void prepare() const;
    /// Reads all definitions. A file that does not parse is renamed to NAME.xml.broken and reported; it harms no other.
    LoadedDomains load() const;
    void save(const std::string& name, const std::string& xml) const;
    void remove(const std::string& name) const;
    void set_autostart(const std::string& name, bool on) const;
    /// New name first, then the old one goes: a cut in between leaves both, and loading keeps the newer.
    void rename(const std::string& from, const std::string& to, const std::string& xml, bool autostart) const;

    /// Where the memory is kept that the next start goes on from.
    std::filesystem::path managed_save_path(const std::string& name) const;

    /// Snapshots: library/snapshot/DOMAIN/NAME.xml, as libvirt lays them out.
    void save_snapshot(const std::string& domain, const SnapshotEntry& entry, bool current) const;
    void remove_snapshot(const std::string& domain, const std::string& name) const;
    /// Those of a domain that goes.
    void remove_snapshots(const std::string& domain) const;
    SnapshotTree load_snapshots(const std::string& domain, std::vector<std::string>& complaints) const;
    /// The domains that may have some.
    std::vector<std::string> domains_with_snapshots() const;

    /// Records of running domains, in the state folder. That folder is in memory and lost with the processes that it
    /// tells of, so that records are replaced as a whole but not synced.
    void save_record(const std::string& name, const std::string& xml) const;
    void remove_record(const std::string& name) const;
    LoadedRecords load_records() const;

private:
    std::filesystem::path definition_path(const std::string& name) const;
    std::filesystem::path autostart_path(const std::string& name) const;
    std::filesystem::path snapshot_folder(const std::string& domain) const;
    bool usable_managed_save(const std::string& name, std::vector<std::string>& complaints) const;

    Folders folders_;
};

} // namespace domus::compute
