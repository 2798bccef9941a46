// The record of a change of interfaces that may have to be taken back: what files and devices were before. It is on the disk
// before anything is touched, so that a daemon which is killed, or a host that loses its power, takes the change back at the
// next start. One at a time: FOLDER/change.xml, and beside it the files as they were, FOLDER/backup/N. Blocks: use a lane.
#pragma once

#include "host/device_state.hpp"
#include "host/dhcp_client.hpp"
#include "host/file_plan.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace domus::host {

/// A single operation, which is kept when it ends well; one that waits to be confirmed in time; one that virInterfaceChangeBegin
/// has begun, which waits for ever, but not over a reboot.
enum class ChangeKind { step, timed, begun };

struct SavedFile {
    std::string path;     ///< below the root
    bool existed = false; ///< else it goes
    unsigned mode = 0;    ///< of the file
    std::string backup;   ///< name of its copy
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SavedFile&) const = default;
};

struct ChangeRecord {
    ChangeKind kind = ChangeKind::step;
    bool busy = true; ///< an operation is under way
    std::string what; ///< for people: "iface-bridge eth0 br0"
    std::string boot; ///< of the kernel, /proc/sys/kernel/random/boot_id
    std::vector<SavedFile> files;
    DeviceStates devices;
    std::vector<LeaseMove> leases; ///< to be moved once it is kept
    format::Rest rest;

    static const format::Schema& schema();
    bool operator==(const ChangeRecord&) const = default;
};

std::string this_boot();

class ChangeStore {
public:
    ChangeStore(std::filesystem::path folder, std::filesystem::path root)
        : folder_(std::move(folder)), root_(std::move(root)) {}

    /// Nothing if there is none. One that is damaged is set aside with a line in the log, and counts as none.
    std::optional<ChangeRecord> load() const;
    /// Adds what is not in the record yet, and writes it. Must end before a file or device of those is touched.
    void extend(ChangeRecord& record, const FilePlan& files, const DeviceStates& before) const;
    void save(const ChangeRecord& record) const;
    void forget() const;
    /// Files and devices as the record has them. Goes on whatever fails, then throws the first failure.
    void put_back(const ChangeRecord& record, const OnStep& on_step) const;
    /// What a plan says, file by file.
    void write(const FilePlan& files, const OnStep& on_step) const;

private:
    std::filesystem::path record_file() const { return folder_ / "change.xml"; }
    std::filesystem::path backup(const std::string& name) const { return folder_ / "backup" / name; }
    void put_back(const SavedFile& file) const;

    std::filesystem::path folder_, root_;
};

} // namespace domus::host

namespace domus::format {
template <> inline constexpr auto words<host::ChangeKind> = word_list("step", "timed", "begun");
} // namespace domus::format
