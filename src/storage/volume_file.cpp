#include "storage/volume_file.hpp"

#include "async/process_wait.hpp"
#include "image/header.hpp"
#include "os/files.hpp"
#include "os/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view unfinished = ".domus-unfinished.";
constexpr std::size_t copy_chunk = 8u << 20;

// ---- looking ------------------------------------------------------------------------------------------------------

std::string time_text(const timespec& time) {
    return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

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

void describe_image(int fd, const std::string& path, model::Volume& volume) {
    const auto header = image::read_header(fd);
    volume.target.format = header.format;
    volume.capacity = header.virtual_size;
    if (header.format != "qcow2") return;
    volume.target.compat = header.version >= 3 ? "1.1" : "0.10";
    volume.target.cluster_size = header.cluster_size;
    volume.target.lazy_refcounts = header.lazy_refcounts;
    volume.target.extended_l2 = header.extended_l2;
    if (!header.backing_file) return;
    const fs::path named(*header.backing_file);
    auto& backing = volume.backing_store.emplace();
    backing.path =
        named.is_absolute() ? named.string() : (fs::path(path).parent_path() / named).lexically_normal().string();
    backing.format =
        header.backing_format.value_or("raw"); // what the image does not say is not guessed from its contents
}

} // namespace

bool is_unfinished(std::string_view name) {
    return name.starts_with(unfinished);
}

std::optional<model::Volume> read_volume_file(const std::string& path, const std::string& name) {
    // Opening must not wait: a pipe has a reader some day only.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!fd) {
        if (errno == ENOENT || errno == ELOOP || errno == ENXIO) return std::nullopt; // gone, a dangling link, a socket
        throw path_error(errno, "cannot open", path);
    }
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    model::Volume volume;
    volume.name = name;
    volume.key = path;
    volume.target.path = path;
    volume.target.permissions = permissions_of(info);
    volume.target.timestamps = timestamps_of(info);
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
        describe_image(fd.get(), path, volume);
    } catch (const Error&) {
        // A damaged header is a file like another; 'qemu-img check' tells more than we could.
        volume.target.format = "raw";
        volume.capacity = volume.physical;
    }
    return volume;
}

// ---- making -------------------------------------------------------------------------------------------------------

namespace {

std::string unfinished_path(const std::string& path) {
    const fs::path whole(path);
    return (whole.parent_path() / (std::string(unfinished) + whole.filename().string())).string();
}

Error exists(const std::string& path) {
    return Error(ErrorCode::storage_vol_exist, ErrorDomain::storage,
                 fmt::format("storage volume '{}' exists already", fs::path(path).filename().string()))
        .hint("choose another name, or delete that volume first: 'domus vol-delete'");
}

/// The file gets its owner and mode, is on disk, and has its name only then; one that is there already stays.
void finish(const std::string& path, const model::Permissions& permissions) {
    const auto made = unfinished_path(path);
    const auto fd = open_file(made, O_RDONLY);
    const auto mode = static_cast<mode_t>(std::stoul(permissions.mode.value_or("0600"), nullptr, 8));
    if (::fchmod(fd.get(), mode) < 0) throw path_error(errno, "cannot set the mode of", made);
    const auto owner = static_cast<uid_t>(permissions.owner.value_or(-1));
    const auto group = static_cast<gid_t>(permissions.group.value_or(-1));
    if (::fchown(fd.get(), owner, group) < 0) throw path_error(errno, "cannot give away", made);
    if (::fsync(fd.get()) < 0) throw path_error(errno, "cannot write", made);
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) < 0) {
        if (errno == EEXIST) throw exists(path);
        throw path_error(errno, "cannot name", path);
    }
    const auto folder = open_file(fs::path(path).parent_path(), O_RDONLY | O_DIRECTORY);
    ::fsync(folder.get());
}

void require_absent(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) throw exists(path);
    ::unlink(unfinished_path(path).c_str()); // what a daemon left that was killed
}

void make_raw(const std::string& path, ByteCount capacity, ByteCount allocation) {
    const auto fd = open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (::ftruncate(fd.get(), static_cast<off_t>(capacity.bytes)) < 0)
        throw path_error(errno, "cannot give a size to", path);
    const auto reserved = std::min(capacity.bytes, allocation.bytes);
    if (reserved == 0) return;
    if (const int failure = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(reserved)); failure != 0)
        throw path_error(failure, "cannot reserve space for", path);
}

Task<> run_qemu_img(std::vector<std::string> arguments, std::string what) {
    Command command("qemu-img");
    command.arguments = std::move(arguments);
    const auto output = co_await run_command(std::move(command), Deadline::never());
    if (output.status.success()) co_return;
    throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                fmt::format("cannot {}: qemu-img {}", what, output.status.text()))
        .because(output.err.empty() ? "it said nothing" : output.err);
}

/// qemu-img doubles commas in options, as QEMU does.
std::string option(std::string_view value) {
    std::string text;
    for (const char c : value) text += c == ',' ? ",," : std::string(1, c);
    return text;
}

std::string creation_options(const model::Volume& wanted) {
    const auto& target = wanted.target;
    std::string list;
    const auto add = [&](std::string_view key, std::string_view value) {
        list += fmt::format("{}{}={}", list.empty() ? "" : ",", key, value);
    };
    if (target.format == "qcow2") {
        add("compat", target.compat.value_or("1.1"));
        if (target.cluster_size) add("cluster_size", std::to_string(target.cluster_size->bytes));
        if (target.lazy_refcounts) add("lazy_refcounts", "on");
        if (target.extended_l2) add("extended_l2", "on");
        const bool full = !wanted.backing_store && wanted.allocation && wanted.capacity
                          && *wanted.allocation >= *wanted.capacity && wanted.capacity->bytes > 0;
        if (full) add("preallocation", "falloc");
    }
    if (wanted.backing_store) {
        add("backing_file", option(wanted.backing_store->path));
        add("backing_fmt", *wanted.backing_store->format);
    }
    return list;
}

constexpr std::array<std::string_view, 7> made_formats{"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "qed"};

void admit_volume(const model::Volume& wanted) {
    const auto format = wanted.target.format.value_or("raw");
    const auto refuse = [&](std::string what, std::string hint = {}) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: volume '{}': {}", wanted.name, what))
            .hint(std::move(hint));
    };
    if (std::ranges::find(made_formats, format) == made_formats.end())
        refuse(fmt::format("format '{}' cannot be made", format), "take 'raw' or 'qcow2'");
    if (wanted.target.encryption) refuse("this version does not make encrypted volumes");
    if (wanted.backing_store && format == "raw")
        refuse("a raw image has no backing image", "take <format type='qcow2'/>");
    if (wanted.backing_store && !wanted.backing_store->format)
        refuse("the format of its backing image is not said",
               "write <backingStore><format type='...'/></backingStore>: it is not guessed from contents that a guest "
               "could have written");
    if (wanted.backing_store && !fs::exists(wanted.backing_store->path))
        throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                    fmt::format("internal error: inaccessible backing store volume {}", wanted.backing_store->path));
    if (!wanted.capacity && !wanted.backing_store) refuse("it has no <capacity>");
}

/// Makes the file under its unfinished name by `make`, then finishes it; a failure takes it away.
Task<> make_whole(std::string path, model::Permissions permissions, Kind::Blocking blocking, Task<> make) {
    std::exception_ptr failure;
    try {
        co_await std::move(make);
        std::function<void()> end = [path, permissions] { finish(path, permissions); };
        co_await blocking(std::move(end));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    std::function<void()> clean = [made = unfinished_path(path)] { ::unlink(made.c_str()); };
    co_await blocking(std::move(clean));
    std::rethrow_exception(failure);
}

Task<> make_image(std::string made, model::Volume wanted, Kind::Blocking blocking) {
    if (wanted.target.format.value_or("raw") == "raw") {
        std::function<void()> work = [made, capacity = *wanted.capacity,
                                      allocation = wanted.allocation.value_or(*wanted.capacity)] {
            make_raw(made, capacity, allocation);
        };
        co_await blocking(std::move(work));
        co_return;
    }
    std::vector<std::string> arguments{"create", "-q", "-f", *wanted.target.format};
    if (const auto options = creation_options(wanted); !options.empty())
        arguments.insert(arguments.end(), {"-o", options});
    arguments.push_back(made);
    if (wanted.capacity && wanted.capacity->bytes > 0) arguments.push_back(std::to_string(wanted.capacity->bytes));
    co_await run_qemu_img(std::move(arguments), fmt::format("make volume '{}'", wanted.name));
}

/// A reflink where the file system can, else the data alone without the holes.
void copy_raw(const std::string& from, const std::string& to) {
    const auto source = open_file(from, O_RDONLY);
    const auto target = open_file(to, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (::ioctl(target.get(), FICLONE, source.get()) == 0) return;
    struct stat info {};
    if (::fstat(source.get(), &info) < 0) throw path_error(errno, "cannot look at", from);
    const auto size = S_ISBLK(info.st_mode) ? ::lseek(source.get(), 0, SEEK_END) : info.st_size;
    if (::ftruncate(target.get(), size) < 0) throw path_error(errno, "cannot give a size to", to);
    for (off_t at = 0; at < size;) {
        const off_t data = ::lseek(source.get(), at, SEEK_DATA);
        if (data < 0) break; // nothing but a hole is left
        off_t end = ::lseek(source.get(), data, SEEK_HOLE);
        if (end < 0) end = size;
        for (off_t in = data, out = data; in < end;) {
            const auto n = ::copy_file_range(source.get(), &in, target.get(), &out,
                                             std::min<std::size_t>(copy_chunk, static_cast<std::size_t>(end - in)), 0);
            if (n < 0) throw path_error(errno, "cannot copy to", to);
            if (n == 0) break;
        }
        at = end;
    }
}

Task<> copy_image(std::string made, model::Volume wanted, model::Volume from, Kind::Blocking blocking) {
    const auto source_format = from.target.format.value_or("raw");
    const auto format = wanted.target.format.value_or(source_format);
    if (source_format == "raw" && format == "raw") {
        std::function<void()> work = [source = *from.target.path, made] { copy_raw(source, made); };
        co_await blocking(std::move(work));
    } else {
        std::vector<std::string> arguments{"convert", "-q", "-f", source_format, "-O", format};
        wanted.target.format = format;
        if (const auto options = creation_options(wanted); !options.empty())
            arguments.insert(arguments.end(), {"-o", options});
        arguments.insert(arguments.end(), {*from.target.path, made});
        co_await run_qemu_img(std::move(arguments), fmt::format("copy volume '{}'", from.name));
    }
    if (wanted.capacity && from.capacity && *wanted.capacity > *from.capacity) {
        std::vector<std::string> arguments{"resize", "-q", "-f", format, made, std::to_string(wanted.capacity->bytes)};
        co_await run_qemu_img(std::move(arguments), fmt::format("grow the copy of volume '{}'", from.name));
    }
}

} // namespace

Task<> create_volume_file(std::string path, model::Volume wanted, Kind::Blocking blocking) {
    std::function<void()> check = [path, wanted] {
        admit_volume(wanted);
        require_absent(path);
    };
    co_await blocking(std::move(check));
    const auto permissions = wanted.target.permissions;
    auto make = make_image(unfinished_path(path), std::move(wanted), blocking);
    co_await make_whole(path, permissions, blocking, std::move(make));
}

Task<> copy_volume_file(std::string path, model::Volume wanted, model::Volume from, Kind::Blocking blocking) {
    if (wanted.capacity && from.capacity && *wanted.capacity < *from.capacity)
        wanted.capacity = from.capacity; // a copy is never cut off
    if (!wanted.target.format) wanted.target.format = from.target.format;
    std::function<void()> check = [path, wanted] {
        admit_volume(wanted);
        require_absent(path);
    };
    co_await blocking(std::move(check));
    const auto permissions = wanted.target.permissions;
    auto copy = copy_image(unfinished_path(path), std::move(wanted), std::move(from), blocking);
    co_await make_whole(path, permissions, blocking, std::move(copy));
}

Task<> resize_volume_file(model::Volume volume, ByteCount capacity, unsigned flags, Kind::Blocking blocking) {
    constexpr unsigned allocate = 1, shrink = 4; // virStorageVolResizeFlags
    const auto path = *volume.target.path;
    if (capacity < volume.capacity.value_or(ByteCount{0}) && !(flags & shrink))
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::storage,
            "invalid argument: Can't shrink capacity below current capacity unless shrink flag explicitly specified")
            .hint("what lies behind the new end is lost: 'domus vol-resize --shrink'");
    if (volume.target.format.value_or("raw") == "raw") {
        std::function<void()> work = [path, capacity, reserve = (flags & allocate) != 0] {
            const auto fd = open_file(path, O_RDWR);
            if (::ftruncate(fd.get(), static_cast<off_t>(capacity.bytes)) < 0)
                throw path_error(errno, "cannot resize", path);
            if (!reserve) return;
            if (const int failure = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(capacity.bytes)); failure != 0)
                throw path_error(failure, "cannot reserve space for", path);
        };
        co_await blocking(std::move(work));
        co_return;
    }
    std::vector<std::string> arguments{"resize", "-q", "-f", *volume.target.format};
    if (flags & shrink) arguments.emplace_back("--shrink");
    if (flags & allocate) arguments.emplace_back("--preallocation=falloc");
    arguments.insert(arguments.end(), {path, std::to_string(capacity.bytes)});
    co_await run_qemu_img(std::move(arguments), fmt::format("resize volume '{}'", volume.name));
}

} // namespace domus::storage
