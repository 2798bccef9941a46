#include "host/change_record.hpp"

#include "base/log.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"
#include "os/stored_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>

namespace domus::host {

namespace fs = std::filesystem;
using format::Describe;
using format::Schema;

const Schema& SavedFile::schema() {
    static const Schema table = Describe<SavedFile>("file", "A file as it was.")
                                    .field("@path", &SavedFile::path, "", format::required)
                                    .field("@existed", &SavedFile::existed)
                                    .field("@mode", &SavedFile::mode)
                                    .field("@backup", &SavedFile::backup);
    return table;
}

const Schema& ChangeRecord::schema() {
    static const Schema table = Describe<ChangeRecord>("change", "A change of interfaces that may be taken back.")
                                    .field("@kind", &ChangeRecord::kind)
                                    .field("@busy", &ChangeRecord::busy)
                                    .field("what", &ChangeRecord::what)
                                    .field("boot", &ChangeRecord::boot)
                                    .field("file", &ChangeRecord::files)
                                    .field("device", &ChangeRecord::devices)
                                    .field("lease", &ChangeRecord::leases);
    return table;
}

std::string this_boot() {
    constexpr std::size_t most = 100;
    auto id = read_file("/proc/sys/kernel/random/boot_id", most);
    while (id.ends_with('\n')) id.pop_back();
    return id;
}

std::optional<ChangeRecord> ChangeStore::load() const {
    std::error_code ignored;
    if (!fs::exists(record_file(), ignored)) return std::nullopt;
    try {
        return format::from_xml<ChangeRecord>(read_file(record_file(), largest_record), ErrorDomain::interface);
    } catch (const Error& error) {
        const auto aside = set_aside(record_file());
        log::error("the record of a change of interfaces cannot be read and lies in '{}' now: {}", aside.string(),
                   error.text());
        return std::nullopt;
    }
}

void ChangeStore::save(const ChangeRecord& record) const {
    ensure_directory_durably(folder_, 0700);
    write_file_durably(record_file(), format::to_xml(record), 0600);
}

void ChangeStore::extend(ChangeRecord& record, const FilePlan& files, const DeviceStates& before) const {
    constexpr mode_t permissions = 07777;
    ensure_directory_durably(folder_ / "backup", 0700);
    for (const auto& [path, change] : files.changes()) {
        if (std::ranges::count(record.files, path.string(), &SavedFile::path)) continue;
        SavedFile saved;
        saved.path = path.string();
        saved.existed = change.before.has_value();
        struct stat status{};
        if (saved.existed && ::stat(files.place(path).c_str(), &status) == 0) saved.mode = status.st_mode & permissions;
        if (saved.existed) {
            saved.backup = fmt::format("{}-{}", record.files.size(), path.filename().string());
            write_file_durably(backup(saved.backup), *change.before, 0600);
        }
        record.files.push_back(std::move(saved));
    }
    for (const auto& device : before)
        if (!std::ranges::count(record.devices, device.name, &DeviceState::name)) record.devices.push_back(device);
    save(record);
}

void ChangeStore::forget() const {
    remove_durably(record_file());
    std::error_code ignored;
    fs::remove_all(folder_ / "backup", ignored); // without the record they mean nothing
}

void ChangeStore::put_back(const SavedFile& file) const {
    constexpr std::size_t most = 1u << 20;
    const auto place = root_ / fs::path(file.path).relative_path();
    if (!file.existed) return remove_durably(place);
    write_file_durably(place, read_file(backup(file.backup), most), static_cast<mode_t>(file.mode));
}

void ChangeStore::put_back(const ChangeRecord& record, const OnStep& on_step) const {
    std::exception_ptr failure;
    for (const auto& file : record.files) {
        if (on_step) on_step("put back " + file.path);
        try {
            put_back(file);
        } catch (...) {
            log::error("cannot put back '{}': {}", file.path, domus::describe(std::current_exception()));
            if (!failure) failure = std::current_exception();
        }
    }
    apply_all(record.devices, on_step);
    if (failure) std::rethrow_exception(failure);
}

void ChangeStore::write(const FilePlan& files, const OnStep& on_step) const {
    constexpr mode_t permissions = 07777;
    for (const auto& [path, change] : files.changes()) {
        if (on_step) on_step("write " + path.string());
        const auto place = files.place(path);
        if (!change.after) {
            remove_durably(place);
            continue;
        }
        auto mode = change.mode;
        struct stat status{};
        if (::stat(place.c_str(), &status) == 0) mode = status.st_mode & permissions; // the user's choice
        fs::create_directories(place.parent_path());
        write_file_durably(place, *change.after, mode);
    }
}

} // namespace domus::host
