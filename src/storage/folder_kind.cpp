#include "storage/folder_kind.hpp"

#include "base/error.hpp"
#include "format/xml.hpp"
#include "image/header.hpp"
#include "image/lease.hpp"
#include "os/files.hpp"
#include "storage/unfinished_file.hpp"
#include "storage/volume_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

/// XML cannot carry other names, nor can a client take text that is not UTF-8.
bool nameable(std::string_view name) {
    return format::is_xml_text(name)
           && std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

/// Of a volume in the making, and of a note beside one: files that are no volumes.
bool is_hidden(std::string_view name) { return is_unfinished(name) || image::is_lease(name); }

/// Where a volume of that name lies. Throws for names that cannot be.
std::string path_of(const model::Pool& pool, const std::string& volume) {
    if (volume.empty() || volume.find('/') != volume.npos || volume == "." || volume == ".." || is_hidden(volume)
        || !nameable(volume))
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: volume name '{}' cannot be that of a file in a folder", volume))
            .hint("a name has no '/' and no control characters");
    return (fs::path(*pool.target) / volume).string();
}

Contents sizes_of(const model::Pool& pool) {
    Contents contents;
    struct statvfs space{};
    if (::statvfs(pool.target->c_str(), &space) < 0) throw path_error(errno, "cannot look at", *pool.target);
    contents.capacity = {std::uint64_t{space.f_frsize} * space.f_blocks};
    contents.available = {std::uint64_t{space.f_frsize} * space.f_bfree};
    contents.allocation = {contents.capacity.bytes - contents.available.bytes};
    return contents;
}

/// Nothing of these file systems is on another machine.
bool is_local(const std::string& folder) {
    constexpr unsigned zfs = 0x2fc12fc1; // has no name in linux/magic.h
    constexpr std::array<unsigned, 7> local{
        EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, F2FS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, zfs};
    struct statfs system{};
    return ::statfs(folder.c_str(), &system) == 0
           && std::ranges::find(local, static_cast<unsigned>(system.f_type)) != local.end();
}

/// The known volume of that name if the file in the local folder is as it was then.
VolumePtr still_known(const Known& known, int folder, const std::string& name) {
    if (!known.volumes) return nullptr;
    const auto found = known.volumes->find(name);
    struct stat info{};
    if (found == known.volumes->end() || ::fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
        return nullptr;
    return is_unchanged(*found->second, info, known.since) ? found->second : nullptr;
}

Contents look_into(const model::Pool& pool, const Known& known) {
    auto contents = sizes_of(pool);
    const auto folder = open_file(*pool.target, O_PATH | O_DIRECTORY);
    struct stat info{};
    if (::fstat(folder.get(), &info) < 0) throw path_error(errno, "cannot look at", *pool.target);
    contents.permissions = permissions_of(info);
    if (is_local(*pool.target)) contents.local_device = info.st_dev;
    std::error_code failure;
    for (fs::directory_iterator entry(*pool.target, failure), end; entry != end; entry.increment(failure)) {
        if (failure) break;
        auto name = entry->path().filename().string();
        if (is_unfinished(name)) sweep_unfinished(entry->path().string());
        if (is_hidden(name) || !nameable(name)) continue;
        // What another machine has is asked for anew: our kernel's knowledge of it may be old.
        if (auto same = contents.local_device ? still_known(known, folder.get(), name) : nullptr)
            contents.unchanged.push_back(std::move(same));
        else if (auto volume = read_volume_file(entry->path().string(), name))
            contents.volumes.push_back(std::move(*volume));
    }
    if (failure) throw path_error(failure.value(), "cannot read", *pool.target);
    return contents;
}

/// Each of the folders that it makes is there after a power cut.
void make_folders(const fs::path& folder) {
    std::vector<fs::path> missing;
    std::error_code failure;
    for (auto each = folder; each.has_relative_path() && !fs::exists(each, failure); each = each.parent_path())
        missing.push_back(each);
    fs::create_directories(folder, failure);
    if (failure) throw path_error(failure.value(), "cannot make", folder);
    for (const auto& made : missing) sync_folder_of(made);
}

} // namespace

namespace {

KindInfo with_files(KindInfo info) {
    info.holds_files = true;
    info.volume_formats = image::creatable_formats();
    return info;
}

} // namespace

FolderKind::FolderKind(KindInfo info) : Kind(with_files(std::move(info))) {}

void FolderKind::admit_target(model::Pool& pool) {
    if (!pool.target || pool.target->empty())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool target path")
            .hint("write <target><path>/folder</path></target>");
    if (!fs::path(*pool.target).is_absolute())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: the target path '{}' is not absolute", *pool.target));
    auto clean = fs::path(*pool.target).lexically_normal().string();
    while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
    pool.target = clean;
}

void FolderKind::make_folder(const model::Pool& pool) {
    const auto& permissions = pool.permissions;
    const auto mode = static_cast<mode_t>(std::stoul(permissions.mode.value_or("0711"), nullptr, 8));
    const bool there = fs::is_directory(*pool.target);
    make_folders(*pool.target);
    if (!there || permissions.mode)
        if (::chmod(pool.target->c_str(), mode) < 0) throw path_error(errno, "cannot set the mode of", *pool.target);
    if (permissions.owner || permissions.group)
        if (::chown(pool.target->c_str(), static_cast<uid_t>(permissions.owner.value_or(-1)),
                    static_cast<gid_t>(permissions.group.value_or(-1)))
            < 0)
            throw path_error(errno, "cannot give away", *pool.target);
}

void FolderKind::refuse_formatting(const model::Pool& pool, unsigned flags) {
    if (!(flags & (build_flag::overwrite | build_flag::no_overwrite))) return;
    throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                fmt::format("Requested operation is not valid: No source device specified when formatting pool '{}'",
                            pool.name))
        .hint(fmt::format("a pool of type '{}' has no device: build it without --overwrite and --no-overwrite",
                          pool.type));
}

void FolderKind::require_folder(const model::Pool& pool) {
    struct stat info{};
    if (::stat(pool.target->c_str(), &info) < 0) {
        auto error = path_error(errno, "cannot open directory", *pool.target);
        throw std::move(error).hint(fmt::format("make it with 'domus pool-build {}'", pool.name));
    }
    if (!S_ISDIR(info.st_mode)) throw path_error(ENOTDIR, "cannot open directory", *pool.target);
}

Task<> FolderKind::remove(Definition pool, Site site) const {
    auto work = [pool] {
        if (::rmdir(pool->target->c_str()) < 0) throw path_error(errno, "failed to remove pool", *pool->target);
        sync_folder_of(*pool->target);
    };
    return site.block(std::move(work));
}

Task<Contents> FolderKind::look(Definition pool, Site site) const {
    return look_again(std::move(pool), {}, std::move(site));
}

Task<Contents> FolderKind::look_again(Definition pool, Known known, Site site) const {
    auto work = [pool, known] { return look_into(*pool, known); };
    return site.block(std::move(work));
}

bool FolderKind::surely_unchanged(const model::Volume& known, dev_t device, const timespec& since) const {
    // Only what the kernel has in memory is asked: RESOLVE_CACHED, and then a device that answers at once.
    open_how how{};
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_CACHED;
    const UniqueFd file(
        static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, known.target.path->c_str(), &how, sizeof how)));
    struct stat info{};
    return file && ::fstat(file.get(), &info) == 0 && info.st_dev == device && is_unchanged(known, info, since);
}

Task<Contents> FolderKind::measure(Definition pool, Site site) const {
    auto work = [pool] { return sizes_of(*pool); };
    return site.block(std::move(work));
}

std::optional<std::string> FolderKind::file_of(const model::Pool& pool, const std::string& volume) const {
    return path_of(pool, volume);
}

Task<model::Volume> FolderKind::look_at(Definition pool, std::string volume, Site site) const {
    auto work = [pool, volume] {
        auto found = read_volume_file(path_of(*pool, volume), volume);
        if (found) return std::move(*found);
        throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                    fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume))
            .hint("it is no longer in its folder");
    };
    return site.block(std::move(work));
}

Task<> FolderKind::remove_volume(Definition, VolumePtr volume, unsigned flags, Site site) const {
    if (flags & delete_flag::with_snapshots) // they are inside the image, and nobody need say that they go with it
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::storage,
            fmt::format("unsupported flags (0x{:x}) in function virStorageVolDelete", delete_flag::with_snapshots));
    auto work = [volume] { remove_volume_file(*volume->target.path); };
    return site.block(std::move(work));
}

Task<> FolderKind::create(Definition pool, model::Volume wanted, unsigned flags, Site site) const {
    auto path = path_of(*pool, wanted.name);
    return create_volume_file(std::move(path), std::move(wanted), flags, std::move(site));
}

Task<> FolderKind::copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const {
    auto path = path_of(*pool, wanted.name);
    return copy_volume_file(std::move(path), std::move(wanted), std::move(from), flags, std::move(site));
}

Task<> FolderKind::resize(Definition, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const {
    return resize_volume_file(std::move(volume), capacity, flags, std::move(site));
}

} // namespace domus::storage
