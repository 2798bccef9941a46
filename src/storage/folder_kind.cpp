#include "storage/folder_kind.hpp"

#include "base/error.hpp"
#include "image/lease.hpp"
#include "os/files.hpp"
#include "storage/volume_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

/// XML cannot carry other names.
bool nameable(std::string_view name) {
    return std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
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
    struct statvfs space {};
    if (::statvfs(pool.target->c_str(), &space) < 0) throw path_error(errno, "cannot look at", *pool.target);
    contents.capacity = {std::uint64_t{space.f_frsize} * space.f_blocks};
    contents.available = {std::uint64_t{space.f_frsize} * space.f_bfree};
    contents.allocation = {contents.capacity.bytes - contents.available.bytes};
    return contents;
}

Contents look_into(const model::Pool& pool) {
    auto contents = sizes_of(pool);
    std::error_code failure;
    for (fs::directory_iterator entry(*pool.target, failure), end; entry != end; entry.increment(failure)) {
        if (failure) break;
        auto name = entry->path().filename().string();
        if (is_hidden(name) || !nameable(name)) continue;
        if (auto volume = read_volume_file(entry->path().string(), name)) contents.volumes.push_back(std::move(*volume));
    }
    if (failure) throw path_error(failure.value(), "cannot read", *pool.target);
    return contents;
}

void remove_file(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) < 0) throw path_error(errno, "cannot look at", path);
    if (S_ISDIR(info.st_mode)) {
        if (::rmdir(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
        return;
    }
    if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
        throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format("Requested operation is not valid: '{}' is a device and not a file of the pool", path));
    if (::unlink(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
}

} // namespace

std::vector<std::string_view> FolderKind::volume_formats() const {
    return {"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "qed"};
}

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
    std::error_code failure;
    fs::create_directories(*pool.target, failure);
    if (failure) throw path_error(failure.value(), "cannot make", *pool.target);
    if (!there || permissions.mode)
        if (::chmod(pool.target->c_str(), mode) < 0)
            throw path_error(errno, "cannot set the mode of", *pool.target);
    if (permissions.owner || permissions.group)
        if (::chown(pool.target->c_str(), static_cast<uid_t>(permissions.owner.value_or(-1)),
                    static_cast<gid_t>(permissions.group.value_or(-1)))
            < 0)
            throw path_error(errno, "cannot give away", *pool.target);
}

void FolderKind::require_folder(const model::Pool& pool) {
    struct stat info {};
    if (::stat(pool.target->c_str(), &info) < 0) {
        auto error = path_error(errno, "cannot open directory", *pool.target);
        throw std::move(error).hint(fmt::format("make it with 'domus pool-build {}'", pool.name));
    }
    if (!S_ISDIR(info.st_mode)) throw path_error(ENOTDIR, "cannot open directory", *pool.target);
}

Task<> FolderKind::remove(Definition pool, Site site) const {
    auto work = [pool] {
        if (::rmdir(pool->target->c_str()) < 0) throw path_error(errno, "failed to remove pool", *pool->target);
    };
    return site.block(std::move(work));
}

Task<Contents> FolderKind::look(Definition pool, Site site) const {
    auto work = [pool] { return look_into(*pool); };
    return site.block(std::move(work));
}

Task<Contents> FolderKind::measure(Definition pool, Site site) const {
    auto work = [pool] { return sizes_of(*pool); };
    return site.block(std::move(work));
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

Task<> FolderKind::remove_volume(Definition, VolumePtr volume, unsigned, Site site) const {
    auto work = [volume] { remove_file(*volume->target.path); };
    return site.block(std::move(work));
}

Task<> FolderKind::create(Definition pool, model::Volume wanted, unsigned flags, Site site) const {
    auto path = path_of(*pool, wanted.name);
    return create_volume_file(std::move(path), std::move(wanted), flags, std::move(site));
}

Task<> FolderKind::copy(Definition pool, model::Volume wanted, VolumePtr from, unsigned flags, Site site) const {
    auto path = path_of(*pool, wanted.name);
    return copy_volume_file(std::move(path), std::move(wanted), std::move(from), flags, std::move(site));
}

Task<> FolderKind::resize(Definition, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const {
    return resize_volume_file(std::move(volume), capacity, flags, std::move(site));
}

} // namespace domus::storage
