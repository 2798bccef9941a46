#include "compute/life/found_guests.hpp"

#include "format/xml.hpp"
#include "image/holder.hpp"
#include "os/files.hpp"
#include "os/lock_holders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <map>

namespace domus::compute {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto exec_timeout = 2s; ///< from fork to exec

fs::path lock_of(const fs::path& folder) { return folder / run_lock_name; }

std::vector<fs::path> domain_folders(const Folders& folders) {
    std::vector<fs::path> found;
    std::error_code failure;
    for (fs::directory_iterator entry(folders.library, failure), end; !failure && entry != end;
         entry.increment(failure))
        if (is_domain_folder(folders, entry->path())) found.push_back(entry->path());
    return found;
}

} // namespace

int id_of(const fs::path& folder) {
    const auto name = folder.filename().string();
    int id = 0;
    std::from_chars(name.data() + domain_folder_prefix.size(), name.data() + name.size(), id);
    return id;
}

namespace {

/// What a guest has started may hold its lock too; the guest itself leads its session.
bool leads_session(const Process& process) { return ::getsid(process.pid()) == process.pid(); }

bool is_guest(const Process& process, const std::string& name, const std::string& uuid) {
    if (!leads_session(process)) return false;
    const auto domain = image::domain_of(process.pid());
    return domain.name == name || domain.uuid == uuid;
}

void find_process(FoundGuest& guest) {
    const auto& record = *guest.record;
    auto recorded = Process::adopt(record.pid, record.start_time);
    struct stat lock{};
    const bool has_lock = ::stat(lock_of(record.folder).c_str(), &lock) == 0;
    if (!has_lock || (recorded && holds_lock(record.pid, lock, LockKind::flock))) {
        guest.process = std::move(recorded);
        return;
    }
    guest.others = lock_holding_processes(lock, LockKind::flock, exec_timeout);
    const auto itself = std::ranges::find_if(guest.others, [&](const Process& each) {
        return is_guest(each, record.domain.name, record.domain.uuid->text());
    });
    if (itself != guest.others.end()) {
        guest.process = std::move(*itself);
        guest.others.erase(itself);
        return;
    }
    guest.process = std::move(recorded); // it has closed the lock: pid and start time remain
}

/// Why a record cannot be used; empty if it can.
std::string fault_of(const RunRecord& record, const Folders& folders) {
    if (record.domain.name.empty() || !record.domain.uuid) return "it has no name or UUID";
    std::error_code failure;
    if (fs::exists(record.folder, failure) && !is_domain_folder(folders, record.folder))
        return fmt::format("its folder '{}' is none of '{}'", record.folder, folders.library.string());
    return {};
}

/// The copy in a domain's folder.
std::shared_ptr<const RunRecord> read_copy(const fs::path& folder, const Folders& folders,
                                           std::vector<std::string>& complaints) {
    std::string fault;
    try {
        auto record =
            format::from_xml<RunRecord>(read_file(folder / Store::record_copy, largest_record), ErrorDomain::domain);
        record.folder = folder.string();
        fault = fault_of(record, folders);
        if (fault.empty()) return std::make_shared<const RunRecord>(std::move(record));
    } catch (const std::exception& error) {
        fault = error.what();
    }
    complaints.push_back(fmt::format("cannot use the record in '{}': {}", folder.string(), fault));
    return nullptr;
}

/// Of those that hold a run lock, at least one: the guest itself is the one that leads its session and has a UUID; without
/// such a one, the first counts.
Stray make_stray(std::vector<Process> holders, const fs::path& folder) {
    std::vector<image::NamedDomain> domains;
    for (const auto& each : holders) domains.push_back(image::domain_of(each.pid()));
    std::size_t itself = 0;
    for (std::size_t i = holders.size(); i-- > 0;)
        if (leads_session(holders[i]) && !domains[i].uuid.empty()) itself = i;
    Stray stray{std::make_shared<Process>(std::move(holders[itself])), folder.string(), std::move(domains[itself].name),
                std::move(domains[itself].uuid)};
    holders.erase(holders.begin() + static_cast<std::ptrdiff_t>(itself));
    for (auto& other : holders) stray.others.push_back(std::make_shared<Process>(std::move(other)));
    return stray;
}

/// A start gives it an ID, and to nobody else.
bool is_made_by_us(const fs::path& folder) {
    const UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info{};
    return id_of(folder) > 0 && fd && ::fstat(fd.get(), &info) == 0 && info.st_uid == ::geteuid();
}

/// By the copy of its record, whatever has become of its lock.
bool recorded_process_runs(const fs::path& folder, const Folders& folders, std::vector<std::string>& complaints) {
    std::error_code failure;
    if (!fs::exists(folder / Store::record_copy, failure)) return false;
    const auto record = read_copy(folder, folders, complaints);
    return record && Process::adopt(record->pid, record->start_time).has_value();
}

std::string unknown(const fs::path& folder) {
    return fmt::format("'{}' belongs to no domain that is known", folder.string());
}

void remove_unused(const fs::path& folder, FoundGuests& found) {
    try {
        remove_domain_folder(folder);
    } catch (const Error& error) {
        found.complaints.push_back(error.text());
    }
}

/// It was cut off before it had its lock, or when it was removed by a daemon that did not remove the lock last.
void settle_without_lock(const fs::path& folder, const Folders& folders, FoundGuests& found) {
    std::error_code failure;
    if (fs::remove(folder, failure)) return; // it is empty
    const bool unused = is_made_by_us(folder) && !recorded_process_runs(folder, folders, found.complaints)
                        && !is_open_though_removed(lock_of(folder));
    if (unused)
        remove_unused(folder, found);
    else
        found.complaints.push_back(unknown(folder));
}

/// A folder that no usable record names.
void explain_folder(const fs::path& folder, const Folders& folders, FoundGuests& found) {
    struct stat lock{};
    const bool there = ::lstat(lock_of(folder).c_str(), &lock) == 0;
    if (!there && errno == ENOENT) return settle_without_lock(folder, folders, found);
    if (!there || !S_ISREG(lock.st_mode)) return found.complaints.push_back(unknown(folder));
    auto holders = lock_holding_processes(lock, LockKind::flock, exec_timeout);
    if (holders.empty()) return remove_unused(folder, found);
    if (auto record = read_copy(folder, folders, found.complaints)) {
        found.complaints.push_back(fmt::format("domain '{}' was found by its folder '{}': it had no record",
                                               record->domain.name, folder.string()));
        FoundGuest guest{std::move(record), {}, {}};
        find_process(guest);
        found.guests.push_back(std::move(guest));
        return;
    }
    found.strays.push_back(make_stray(std::move(holders), folder));
}

} // namespace

std::string Stray::text() const {
    if (name.empty()) return fmt::format("process {}", process->pid());
    return fmt::format("process {} of domain '{}' (uuid {})", process->pid(), name, uuid);
}

UniqueFd acquire_run_lock(const fs::path& folder) {
    auto fd = open_file(lock_of(folder), O_RDONLY | O_CREAT, 0600);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) throw path_error(errno, "cannot lock", lock_of(folder));
    throw Error(ErrorCode::resource_busy, ErrorDomain::qemu,
                fmt::format("'{}' belongs to a process that runs", folder.string()))
        .hint(fmt::format("'fuser -v {}' shows it", lock_of(folder).string()));
}

FoundGuests find_guests(const Store& store) {
    FoundGuests found;
    auto records = store.load_records();
    for (const auto& complaint : records.complaints) found.complaints.push_back(complaint.text);
    std::map<std::string, std::shared_ptr<const RunRecord>> by_folder;
    for (auto& record : records.records) {
        auto fault = fault_of(*record, store.folders());
        if (fault.empty() && !by_folder.emplace(record->folder, record).second) fault = "another one names its folder";
        if (!fault.empty())
            found.complaints.push_back(
                fmt::format("cannot use the record of running domain '{}': {}", record->domain.name, fault));
    }
    for (const auto& [folder, record] : by_folder) {
        FoundGuest guest{record, {}, {}};
        find_process(guest);
        found.guests.push_back(std::move(guest));
    }
    for (const auto& folder : domain_folders(store.folders())) {
        found.last_id = std::max(found.last_id, id_of(folder));
        if (!by_folder.contains(folder.string())) explain_folder(folder, store.folders(), found);
    }
    return found;
}

} // namespace domus::compute
