// A snapshot of a domain: the definition at that moment, and where memory and disks were kept.
#pragma once

#include "model/domain.hpp"

namespace domus::model {

enum class SnapshotState { nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended, disk_snapshot };

struct SnapshotDisk {
    std::string name; ///< target: "vda", or the path of its source
    std::optional<SnapshotMode> snapshot;
    std::optional<DiskType> type;
    std::optional<std::string> driver_type; ///< format of the new image
    DiskSource source;                      ///< external: the new image
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SnapshotDisk&) const = default;
};

struct Snapshot {
    Snapshot(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Snapshot(const Snapshot&);
    Snapshot(Snapshot&&) noexcept;
    Snapshot& operator=(const Snapshot&);
    Snapshot& operator=(Snapshot&&) noexcept;
    ~Snapshot();

    std::optional<std::string> name; ///< made from the time if missing
    std::optional<std::string> description;
    std::optional<SnapshotState> state;
    std::optional<std::string> parent;
    std::optional<std::int64_t> creation_time; ///< seconds since 1970
    std::optional<SnapshotMode> memory;
    std::optional<std::string> memory_file;
    std::vector<SnapshotDisk> disks;
    std::optional<Domain> domain, inactive_domain;
    std::optional<int> active; ///< 1 in the file of the one that its domain stands on; not told to clients
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Snapshot&) const;
};

} // namespace domus::model

template <>
inline constexpr auto domus::format::words<domus::model::SnapshotState> = domus::format::word_list(
    "nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended", "disk-snapshot");
