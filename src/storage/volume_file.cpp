#include "storage/volume_file.hpp"

#include "image/chain.hpp"
#include "os/files.hpp"
#include "storage/open_volume_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

std::string time_text(const timespec& time) { return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec); }

void describe_image(int fd, const std::string& path, model::Volume& volume) {
    const auto header = image::read_header(fd);
    volume.target.format = header.format;
    volume.capacity = header.virtual_size;
    if (header.encryption && header.encryption->method == "luks") {
        // As one asks for it: what is encrypted as a whole is raw inside.
        volume.target.encryption.emplace().format = model::EncryptionFormat::luks;
        if (header.format == "luks") volume.target.format = "raw";
    }
    if (header.format != "qcow2") return;
    volume.target.compat = header.version >= 3 ? "1.1" : "0.10";
    volume.target.cluster_size = header.cluster_size;
    volume.target.lazy_refcounts = header.lazy_refcounts;
    volume.target.extended_l2 = header.extended_l2;
    if (!header.backing_file) return;
    const auto& named = *header.backing_file;
    auto& backing = volume.backing_store.emplace();
    backing.path = image::is_elsewhere(named) ? named : image::beside(path, named);
    backing.format =
        header.backing_format.value_or("raw"); // what the image does not say is not guessed from its contents
}

/// When the file was made, which not every file system knows.
std::optional<std::string> birth_of(int fd) {
    struct statx info{};
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BTIME, &info) < 0 || !(info.stx_mask & STATX_BTIME))
        return std::nullopt;
    return time_text({static_cast<time_t>(info.stx_btime.tv_sec), static_cast<long>(info.stx_btime.tv_nsec)});
}

/// Of one file, whose birth stays.
bool same_times(model::Timestamps before, const model::Timestamps& now) {
    before.btime = now.btime;
    return before == now;
}

} // namespace

model::Permissions permissions_of(const struct stat& info) {
    model::Permissions permissions;
    permissions.mode = fmt::format("{:04o}", info.st_mode & 07777);
    permissions.owner = static_cast<int>(info.st_uid);
    permissions.group = static_cast<int>(info.st_gid);
    return permissions;
}

model::Timestamps timestamps_of(const struct stat& info) {
    model::Timestamps times;
    times.atime = time_text(info.st_atim);
    times.mtime = time_text(info.st_mtim);
    times.ctime = time_text(info.st_ctim);
    return times;
}

bool is_unchanged(const model::Volume& known, const struct stat& now, const timespec& since) {
    // The clock of file systems goes in ticks of the kernel: two changes within one have the same time.
    constexpr auto tick = std::chrono::milliseconds(20);
    const auto settled = [](const timespec& time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    return S_ISREG(now.st_mode) && known.type == model::VolumeType::file && settled(now.st_ctim) + tick < settled(since)
           && known.physical == ByteCount{static_cast<std::uint64_t>(now.st_size)}
           && known.allocation == ByteCount{static_cast<std::uint64_t>(now.st_blocks) * 512}
           && same_times(known.target.timestamps, timestamps_of(now));
}

std::optional<model::Volume> read_volume_file(const std::string& path, const std::string& name) {
    // Opening must not wait: a pipe has a reader some day only.
    const auto fd = try_open_volume_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    // One that is not for us, another user's or on a server that knows no root, keeps none of the others from being
    // listed: it is what can be seen from outside.
    const bool denied = !fd && (errno == EACCES || errno == EPERM);
    if (!fd && !denied) {
        if (errno == ENOENT || errno == ELOOP || errno == ENXIO)
            return std::nullopt; // gone, a link that leads nowhere or is not followed, a socket
        throw path_error(errno, "cannot open", path);
    }
    struct stat info{};
    if ((denied ? ::stat(path.c_str(), &info) : ::fstat(fd.get(), &info)) < 0)
        throw path_error(errno, "cannot look at", path);
    return describe_file(fd.get(), info, path, name);
}

void remove_volume_file(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) throw path_error(errno, "cannot look at", path);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
        throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format("Requested operation is not valid: '{}' is a device and not a file of the pool", path));
    if ((S_ISDIR(info.st_mode) ? ::rmdir(path.c_str()) : ::unlink(path.c_str())) < 0)
        throw path_error(errno, "cannot remove", path);
    sync_folder_of(path);
}

std::optional<model::Volume> describe_file(int fd, const struct stat& info, const std::string& path,
                                           const std::string& name) {
    model::Volume volume;
    volume.name = name;
    volume.key = path;
    volume.target.path = path;
    volume.target.permissions = permissions_of(info);
    volume.target.timestamps = timestamps_of(info);
    volume.target.timestamps.btime = birth_of(fd);
    volume.allocation = ByteCount{static_cast<std::uint64_t>(info.st_blocks) * 512};
    if (S_ISDIR(info.st_mode)) {
        volume.type = model::VolumeType::dir;
        volume.target.format = "dir";
        volume.capacity = volume.physical = ByteCount{0};
        return volume;
    }
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) return std::nullopt;
    volume.type = S_ISREG(info.st_mode) ? model::VolumeType::file : model::VolumeType::block;
    volume.physical = ByteCount{static_cast<std::uint64_t>(info.st_size)};
    try {
        describe_image(fd, path, volume);
    } catch (const Error&) {
        // A damaged header is a file like another; 'qemu-img check' tells more than we could.
        volume.target.format = "raw";
        volume.capacity = volume.physical;
    }
    return volume;
}

} // namespace domus::storage
