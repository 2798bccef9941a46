// Domains on disk: the definitions (os/definition_store.hpp), and what a domain has beside its own: variables of UEFI, saved
// memory, snapshots, the records of those that run. A power cut at any instant leaves the old or the new state. Everything
// here blocks: call it in a lane.
#pragma once

#include "compute/domain/definition.hpp"
#include "compute/domain/folders.hpp"
#include "compute/domain/status.hpp"
#include "compute/snapshots/snapshot_intent.hpp"
#include "compute/snapshots/snapshot_tree.hpp"
#include "os/definition_store.hpp"
#include "os/stored_files.hpp"

#include <memory>
#include <span>
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
    std::vector<Complaint> complaints; ///< of files that were set aside, or cannot be read
};

struct RunRecord;

struct LoadedRecords {
    std::vector<std::shared_ptr<const RunRecord>> records; ///< each with a name, a UUID and an id, as its file is named
    std::vector<Complaint> complaints;                     ///< of damaged ones; `name` is that of the domain
};

/// What is removed together with a definition.
struct WithDefinition {
    bool variables = false; ///< UEFI's
    bool snapshots = false;
    bool tpm = false;
    bool managed_save = false;
    bool operator==(const WithDefinition&) const = default;
};

class Store {
public:
    explicit Store(Folders folders)
        : folders_(std::move(folders)), definitions_({folders_.definitions, folders_.autostart}) {}

    const Folders& folders() const { return folders_; }

    /// Creates the folders that are missing.
    void prepare() const;
    LoadedDomains load() const;
    /// `fresh`: the domain had no definition yet. Throws xml_error for one that load() would not read, operation_failed
    /// if a file is in the way that cannot be read.
    void save(const std::string& name, const std::string& xml, bool fresh) const;
    /// The definition is moved aside first, and so can go. If anything fails, it is there again; after a cut in between,
    /// the next load() removes what is left of the parts. Throws path_error.
    void remove(const std::string& name, const Uuid& uuid, const WithDefinition& parts) const;
    void set_autostart(const std::string& name, bool on) const;
    /// New name first, then the old one goes (DefinitionStore::rename). UEFI's variables go along.
    void rename(const std::string& from, const std::string& to, const std::string& xml, bool autostart) const;

    /// Where UEFI's variables of a domain are that names no file for them.
    std::filesystem::path variables_path(const std::string& name) const;
    /// Where the memory is kept that the next start goes on from.
    std::filesystem::path managed_save_path(const std::string& name) const;
    /// Where it is kept from when a guest has loaded it until that guest runs.
    std::filesystem::path loaded_save_path(const std::string& name) const;
    /// Gives a guest's saved memory the other of the two names, durably; false if there is none.
    void keep_loaded_save(const std::string& name) const;
    bool give_back_loaded_save(const std::string& name) const;

    /// Snapshots: library/snapshot/DOMAIN/NAME.xml, as libvirt lays them out.
    void save_snapshot(const std::string& domain, const SnapshotEntry& entry, bool current, bool fresh = false) const;
    /// All or none: what was written before a failure is written back.
    void change_snapshots(const std::string& domain, std::span<const SnapshotChange> changes) const;
    /// Writes back what was before. A failure is logged: the next daemon makes a root of what has no parent.
    void take_back_changes(const std::string& domain, std::span<const SnapshotChange> changes) const;
    void remove_snapshot(const std::string& domain, const std::string& name) const;
    /// Those of a domain that goes.
    void remove_snapshots(const std::string& domain) const;
    SnapshotTree load_snapshots(const std::string& domain, std::vector<Complaint>& complaints) const;
    /// What is about to be done to one, beside them: one at a time for each domain.
    void save_intent(const std::string& domain, const SnapshotIntent& intent) const;
    /// From now on what is under way is to be taken back. Needs no room on the disk.
    void reverse_intent(const std::string& domain) const;
    void remove_intent(const std::string& domain) const;
    std::optional<SnapshotIntent> load_intent(const std::string& domain, std::vector<Complaint>& complaints) const;
    /// The domains that may have some.
    std::vector<std::string> domains_with_snapshots() const;

    /// Records of running domains, in the state folder. That folder is in memory and lost with the processes that it
    /// describes, so that records are replaced as a whole but not synced. A copy lies in the domain's folder.
    void save_record(const std::string& name, const std::filesystem::path& folder, const std::string& xml) const;
    static constexpr const char* record_copy = "record.xml";
    void remove_record(const std::string& name) const;
    LoadedRecords load_records() const;

private:
    std::filesystem::path snapshot_folder(const std::string& domain) const;
    /// The sorted names in a folder; nothing, and a line in the log, if it cannot be listed.
    static std::vector<std::string> listing(const std::filesystem::path& folder);
    StoredFolder records() const { return {folders_.state, largest_record}; }
    StoredFolder snapshots(const std::string& domain) const { return {snapshot_folder(domain), largest_record}; }
    void remove_parts(const std::string& name, const Uuid& uuid, const WithDefinition& parts) const;
    void finish_removals(std::vector<Complaint>& complaints) const;
    void link_variables(const std::string& from, const std::string& to) const;
    void unlink_second_variables(const std::vector<StoredDomain>& domains) const;
    bool usable_managed_save(const std::string& name, std::vector<Complaint>& complaints) const;
    void check_loaded_save(const std::string& name, std::vector<Complaint>& complaints) const;

    Folders folders_;
    DefinitionStore definitions_;
};

} // namespace domus::compute
