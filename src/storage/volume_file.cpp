#include "storage/volume_file.hpp"

#include "base/log.hpp"
#include "image/chain.hpp"
#include "image/new_qcow2.hpp"
#include "os/files.hpp"
#include "storage/encryption.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view unfinished = ".domus-unfinished.";
constexpr std::size_t copy_chunk = 8u << 20;
constexpr std::size_t read_chunk = 1u << 20;
/// Who makes a volume has this byte of its file locked; QEMU's programs lock others (image/lock.hpp).
constexpr off_t maker_byte = 300;

// ---- looking ------------------------------------------------------------------------------------------------------

std::string time_text(const timespec& time) {
    return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
}

bool lock_as_maker(int fd, int command) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = maker_byte;
    range.l_len = 1;
    // Without locks in the file system nobody sweeps, and nothing is to be feared.
    return ::fcntl(fd, command, &range) == 0;
}

bool has_name(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

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
    const fs::path named(*header.backing_file);
    auto& backing = volume.backing_store.emplace();
    backing.path =
        named.is_absolute() ? named.string() : (fs::path(path).parent_path() / named).lexically_normal().string();
    backing.format =
        header.backing_format.value_or("raw"); // what the image does not say is not guessed from its contents
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

bool is_unfinished(std::string_view name) {
    return name.starts_with(unfinished);
}

bool is_unchanged(const model::Volume& known, const struct stat& now, const timespec& since) {
    // The clock of file systems goes in ticks of the kernel: two changes within one have the same time.
    constexpr auto tick = std::chrono::milliseconds(20);
    const auto settled = [](const timespec& time) { return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec); };
    return S_ISREG(now.st_mode) && known.type == model::VolumeType::file && settled(now.st_ctim) + tick < settled(since)
           && known.physical == ByteCount{static_cast<std::uint64_t>(now.st_size)}
           && known.allocation == ByteCount{static_cast<std::uint64_t>(now.st_blocks) * 512}
           && known.target.timestamps == timestamps_of(now);
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
    return describe_file(fd.get(), info, path, name);
}

std::optional<model::Volume> describe_file(int fd, const struct stat& info, const std::string& path, const std::string& name) {
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
        describe_image(fd, path, volume);
    } catch (const Error&) {
        // A damaged header is a file like another; 'qemu-img check' tells more than we could.
        volume.target.format = "raw";
        volume.capacity = volume.physical;
    }
    return volume;
}

void sweep_unfinished(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd || !lock_as_maker(fd.get(), F_OFD_SETLK) || !has_name(fd.get())) return;
    if (::unlink(path.c_str()) == 0) log::info("'{}' was begun by a daemon that was killed: removed", path);
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

/// The empty file of a volume in the making, which is nobody else's until it is closed.
UniqueFd begin_unfinished(const std::string& made) {
    for (;;) {
        sweep_unfinished(made);
        UniqueFd fd(::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd && errno == EEXIST)
            throw Error(ErrorCode::operation_failed, ErrorDomain::storage, "operation failed: a volume of that name is being made")
                .hint(fmt::format("by another daemon or host; if by none, remove '{}'", made));
        if (!fd) throw path_error(errno, "cannot make", made);
        (void)lock_as_maker(fd.get(), F_OFD_SETLKW);
        if (has_name(fd.get())) return fd; // else it was swept in between
    }
}

/// A name of its own, never another file's. NFS cannot rename so, but it can link.
void give_name(const std::string& made, const std::string& path) {
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno == EINVAL && ::link(made.c_str(), path.c_str()) == 0) {
        ::unlink(made.c_str());
        return;
    }
    if (errno == EEXIST) throw exists(path);
    throw path_error(errno, "cannot name", path);
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
    give_name(made, path);
    const auto folder = open_file(fs::path(path).parent_path(), O_RDONLY | O_DIRECTORY);
    ::fsync(folder.get());
}

void require_absent(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) throw exists(path);
}

/// Space for all of it, whatever it holds.
void reserve(const UniqueFd& fd, const std::string& path, ByteCount size) {
    if (const int failure = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size.bytes)); failure != 0)
        throw path_error(failure, "cannot reserve space for", path);
}

void make_raw(const std::string& path, ByteCount capacity, ByteCount allocation) {
    const auto fd = open_file(path, O_RDWR);
    if (::ftruncate(fd.get(), static_cast<off_t>(capacity.bytes)) < 0)
        throw path_error(errno, "cannot give a size to", path);
    if (const auto reserved = std::min(capacity, allocation); reserved.bytes > 0) reserve(fd, path, reserved);
}

/// qemu-img doubles commas in options, as QEMU does.
std::string option(std::string_view value) {
    std::string text;
    for (const char c : value) text += c == ',' ? ",," : std::string(1, c);
    return text;
}

/// Whether it is to have all of its space at once.
bool is_full(const model::Volume& wanted) {
    return !wanted.backing_store && wanted.allocation && wanted.capacity && *wanted.allocation >= *wanted.capacity
           && wanted.capacity->bytes > 0;
}

std::string creation_options(const model::Volume& wanted, bool preallocate_metadata) {
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
        if (is_full(wanted)) add("preallocation", "falloc");
        else if (preallocate_metadata) add("preallocation", "metadata");
    }
    if (const auto options = encryption_options(wanted); !options.empty()) list += (list.empty() ? "" : ",") + options;
    if (wanted.backing_store) {
        add("backing_file", option(wanted.backing_store->path));
        add("backing_fmt", *wanted.backing_store->format);
    }
    return list;
}

/// Without encryption and preallocation.
void make_qcow2(const std::string& path, const model::Volume& wanted) {
    const auto& target = wanted.target;
    image::NewQcow2 made;
    made.version = target.compat == "0.10" ? 2 : 3;
    made.lazy_refcounts = target.lazy_refcounts;
    made.extended_l2 = target.extended_l2;
    if (target.cluster_size) made.cluster_size = *target.cluster_size;
    if (wanted.backing_store) {
        const auto& backing = *wanted.backing_store;
        made.backing_file = backing.path;
        made.backing_format = backing.format;
        made.virtual_size = image::read_header(image::open_image(backing.path).get(), *backing.format).virtual_size;
    }
    if (wanted.capacity && wanted.capacity->bytes > 0) made.virtual_size = *wanted.capacity;
    image::write_new_qcow2(open_file(path, O_RDWR).get(), made);
}

constexpr std::array<std::string_view, 7> made_formats{"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "qed"};

void admit_volume(const model::Volume& wanted, unsigned flags) {
    const auto format = wanted.target.format.value_or("raw");
    const auto refuse = [&](std::string what, std::string hint = {}) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: volume '{}': {}", wanted.name, what))
            .hint(std::move(hint));
    };
    if (std::ranges::find(made_formats, format) == made_formats.end())
        refuse(fmt::format("format '{}' cannot be made", format), "take 'raw' or 'qcow2'");
    if ((flags & create_flag::preallocate_metadata) && format != "qcow2")
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    "unsupported configuration: metadata preallocation only available with qcow2");
    if (format == "qcow2" && wanted.target.compat.value_or("1.1") != "1.1" && wanted.target.compat != "0.10")
        refuse(fmt::format("qcow2 has no compat level '{}'", *wanted.target.compat), "take '1.1', or '0.10' for QEMU before 1.1");
    if (wanted.target.encryption) admit_encryption(wanted);
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
Task<> make_whole(std::string path, model::Permissions permissions, Site site, Task<> make) {
    auto begin = [path] { return std::make_shared<UniqueFd>(begin_unfinished(unfinished_path(path))); };
    const auto held = co_await site.block(std::move(begin));
    std::exception_ptr failure;
    try {
        co_await std::move(make);
        auto end = [path, permissions] { finish(path, permissions); };
        co_await site.block(std::move(end));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    auto clean = [made = unfinished_path(path)] { ::unlink(made.c_str()); };
    co_await site.block(std::move(clean));
    std::rethrow_exception(failure);
}

/// To make guessing keys slow, qemu-img measures the processor; where the kernel counts its time in ticks and the first
/// try is over before one, it gives up at once. That is luck, and costs milliseconds.
Task<> make_encrypted(std::shared_ptr<Command> command, std::string purpose, Site site) {
    constexpr int attempts = 200;
    for (int attempt = 1;; ++attempt) {
        std::optional<Error> failure;
        try {
            Command again = *command;
            (void)co_await site.run(std::move(again), purpose);
        } catch (const Error& error) {
            failure = error;
        }
        if (!failure) co_return;
        if (attempt == attempts || failure->text().find("accurate CPU usage") == std::string::npos) throw std::move(*failure);
    }
}

/// What it makes is nobody's any more when we are gone.
Command making_command() {
    Command command("qemu-img");
    command.death_signal = SIGTERM;
    return command;
}

Task<> make_image(std::string made, model::Volume wanted, unsigned flags, Site site) {
    const auto format = wanted.target.format.value_or("raw");
    if (format == "raw" && !wanted.target.encryption) {
        auto work = [made, capacity = *wanted.capacity, allocation = wanted.allocation.value_or(*wanted.capacity)] {
            make_raw(made, capacity, allocation);
        };
        co_await site.block(std::move(work));
        co_return;
    }
    const bool preallocate = flags & create_flag::preallocate_metadata;
    if (format == "qcow2" && !wanted.target.encryption && !preallocate && !is_full(wanted)) {
        auto work = [made, wanted] { make_qcow2(made, wanted); };
        co_await site.block(std::move(work));
        co_return;
    }
    const auto command = std::make_shared<Command>(making_command());
    command->arguments = {"create", "-q", "-f", format == "raw" ? "luks" : format};
    if (const auto options = creation_options(wanted, preallocate); !options.empty())
        command->arguments.insert(command->arguments.end(), {"-o", options});
    command->arguments.push_back(made);
    if (wanted.capacity && wanted.capacity->bytes > 0) command->arguments.push_back(std::to_string(wanted.capacity->bytes));
    const auto purpose = fmt::format("make volume '{}'", wanted.name);
    if (wanted.target.encryption) {
        co_await pass_key(command, "volume-key", key_of(wanted), site);
        co_await make_encrypted(command, purpose, site);
    } else {
        (void)co_await site.run(std::move(*command), purpose);
    }
}

void read_and_write(int source, int target, off_t at, off_t end, const std::string& from, const std::string& to) {
    std::string buffer(read_chunk, '\0');
    while (at < end) {
        const auto got = ::pread(source, buffer.data(), std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at)), at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw path_error(errno, "cannot read", from);
        if (got == 0) return; // it was made shorter meanwhile
        const std::string_view piece(buffer.data(), static_cast<std::size_t>(got));
        for (std::size_t done = 0; piece.find_first_not_of('\0') != piece.npos && done < piece.size();) {
            const auto n = ::pwrite(target, piece.data() + done, piece.size() - done, at + static_cast<off_t>(done));
            if (n < 0 && errno != EINTR) throw path_error(errno, "cannot copy to", to);
            if (n > 0) done += static_cast<std::size_t>(n);
        }
        at += got;
    }
}

/// Through the kernel where both are files of one file system, else by reading and writing; zeros that were read stay a
/// hole in the new file.
void copy_range(int source, int target, off_t begin, off_t end, const std::string& from, const std::string& to) {
    for (off_t in = begin, out = begin; in < end;) {
        const auto n = ::copy_file_range(source, &in, target, &out, std::min<std::size_t>(copy_chunk, static_cast<std::size_t>(end - in)), 0);
        if (n > 0) continue;
        if (n < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) throw path_error(errno, "cannot copy to", to);
        read_and_write(source, target, in, end, from, to);
        return;
    }
}

/// A reflink where the file system can, else the data alone without the holes.
void copy_raw(const std::string& from, const std::string& to, bool reflink) {
    const auto source = open_file(from, O_RDONLY);
    const auto target = open_file(to, O_RDWR);
    if (::ioctl(target.get(), FICLONE, source.get()) == 0) return;
    if (reflink) throw path_error(errno, "cannot share the blocks of", from).hint("the file system must be btrfs or XFS with reflink, and both volumes on it");
    struct stat info {};
    if (::fstat(source.get(), &info) < 0) throw path_error(errno, "cannot look at", from);
    const auto size = S_ISBLK(info.st_mode) ? ::lseek(source.get(), 0, SEEK_END) : info.st_size;
    if (::ftruncate(target.get(), size) < 0) throw path_error(errno, "cannot give a size to", to);
    for (off_t at = 0; at < size;) {
        off_t data = ::lseek(source.get(), at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break; // nothing but a hole is left
        if (data < 0) data = at;               // a device knows of no holes
        off_t end = ::lseek(source.get(), data, SEEK_HOLE);
        if (end < 0) end = size;
        copy_range(source.get(), target.get(), data, end, from, to);
        at = end;
    }
}

/// What is encrypted is copied so too where nothing else is asked for: the copy has the same key, which is not needed.
bool as_it_stands(const model::Volume& from, const model::Volume& wanted) {
    if (from.target.format.value_or("raw") != wanted.target.format.value_or("raw")) return false;
    const auto& own = from.target.encryption;
    const auto& asked = wanted.target.encryption;
    if (own) return !asked || asked->secrets.empty() || asked->secrets == own->secrets;
    return from.target.format.value_or("raw") == "raw" && !asked;
}

/// By qemu-img, which decrypts what it reads and encrypts what it writes.
Task<> convert_image(std::string made, model::Volume wanted, VolumePtr from, Site site) {
    const auto purpose = fmt::format("copy volume '{}'", from->name);
    const auto command = std::make_shared<Command>(making_command());
    command->arguments = conversion(*from, wanted, made);
    if (from->target.encryption) co_await pass_key(command, "source-key", key_of(*from), site);
    if (wanted.target.encryption) {
        co_await pass_key(command, "volume-key", key_of(wanted), site);
        co_await make_encrypted(command, purpose, site);
    } else {
        (void)co_await site.run(std::move(*command), purpose);
    }
}

/// The image of that volume's kind at `path`; by qemu-img.
Task<> resize_image(VolumePtr volume, std::string path, ByteCount capacity, unsigned flags, std::string purpose, Site site) {
    const auto command = std::make_shared<Command>("qemu-img");
    auto& words = command->arguments;
    words = {"resize", "-q"};
    if (flags & resize_flag::shrink) words.emplace_back("--shrink");
    if (flags & resize_flag::allocate) words.emplace_back("--preallocation=falloc");
    if (volume->target.encryption) words.insert(words.end(), {"--image-opts", encrypted_image(*volume, path, "volume-key")});
    else words.insert(words.end(), {"-f", volume->target.format.value_or("raw"), path});
    words.push_back(std::to_string(capacity.bytes));
    if (volume->target.encryption) co_await pass_key(command, "volume-key", key_of(*volume), site);
    (void)co_await site.run(std::move(*command), std::move(purpose));
}

Task<> copy_image(std::string made, model::Volume wanted, VolumePtr from, unsigned flags, Site site) {
    const auto source_format = from->target.format.value_or("raw");
    const auto format = wanted.target.format.value_or(source_format);
    const bool reflink = flags & create_flag::reflink;
    if (reflink && source_format != format)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                    fmt::format("Operation not supported: a reflink keeps the format, which is {} and not {}", source_format, format));
    const bool plain = !from->target.encryption && !wanted.target.encryption;
    if (reflink && !plain && !as_it_stands(*from, wanted))
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage, "Operation not supported: a reflink keeps the encryption as it is");
    if (as_it_stands(*from, wanted) || reflink) {
        auto work = [source = *from->target.path, made, reflink] { copy_raw(source, made, reflink); };
        co_await site.block(std::move(work));
        wanted.target.encryption = from->target.encryption;
    } else {
        co_await convert_image(made, wanted, from, site);
    }
    if (wanted.capacity && from->capacity && *wanted.capacity > *from->capacity) {
        const auto purpose = fmt::format("grow the copy of volume '{}'", from->name);
        auto reference = wanted.target.encryption && wanted.target.encryption->secrets.empty() ? from : std::make_shared<const model::Volume>(wanted);
        co_await resize_image(std::move(reference), made, *wanted.capacity, 0, purpose, site);
    }
    if (format == "raw" && !wanted.target.encryption && is_full(wanted)) {
        auto work = [made, size = *wanted.capacity] { reserve(open_file(made, O_RDWR), made, size); };
        co_await site.block(std::move(work));
    }
}

} // namespace

std::vector<std::string> conversion(const model::Volume& from, const model::Volume& wanted, const std::string& path) {
    // The format of a partition is what it is for, not how it is written.
    const bool block = from.type == model::VolumeType::block;
    const auto source_format = block ? std::string("raw") : from.target.format.value_or("raw");
    const auto format = wanted.target.format.value_or(source_format);
    const bool luks = wanted.target.encryption && format == "raw";
    std::vector<std::string> arguments{"convert", "-q", "-O", luks ? "luks" : format};
    if (from.target.encryption) arguments.emplace_back("--image-opts");
    else arguments.insert(arguments.end(), {"-f", source_format});
    auto target = wanted;
    target.target.format = format;
    if (const auto options = creation_options(target, false); !options.empty()) arguments.insert(arguments.end(), {"-o", options});
    arguments.insert(arguments.end(), {from.target.encryption ? encrypted_image(from, *from.target.path, "source-key") : *from.target.path, path});
    return arguments;
}

Task<> create_volume_file(std::string path, model::Volume wanted, unsigned flags, Site site) {
    auto check = [path, wanted, flags] {
        admit_volume(wanted, flags);
        require_absent(path);
    };
    co_await site.block(std::move(check));
    const auto permissions = wanted.target.permissions;
    auto make = make_image(unfinished_path(path), std::move(wanted), flags, site);
    co_await make_whole(path, permissions, site, std::move(make));
}

Task<> copy_volume_file(std::string path, model::Volume wanted, VolumePtr from, unsigned flags, Site site) {
    if (wanted.capacity && from->capacity && *wanted.capacity < *from->capacity)
        wanted.capacity = from->capacity; // a copy is never cut off
    if (!wanted.target.format) wanted.target.format = from->target.format;
    auto check = [path, wanted, from] {
        auto admitted = wanted;
        if (from->target.encryption && as_it_stands(*from, wanted)) admitted.target.encryption.reset();
        admit_volume(admitted, 0);
        require_absent(path);
    };
    co_await site.block(std::move(check));
    const auto permissions = wanted.target.permissions;
    auto copy = copy_image(unfinished_path(path), std::move(wanted), std::move(from), flags, site);
    co_await make_whole(path, permissions, site, std::move(copy));
}

namespace {

/// The space behind the end first, so that the file has its new size only when that is its own.
void resize_raw(const std::string& path, off_t size, bool reserve) {
    const auto fd = open_file(path, O_RDWR);
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    const auto old = info.st_size;
    int failure = 0;
    if (reserve && size > old) {
        failure = ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, old, size - old) < 0 ? errno : 0;
        if (failure == EOPNOTSUPP) failure = ::posix_fallocate(fd.get(), old, size - old); // writes it, which takes its time
    }
    if (failure == 0 && ::ftruncate(fd.get(), size) < 0) failure = errno;
    if (failure == 0) return;
    (void)!::ftruncate(fd.get(), old); // what was reserved behind the end goes too
    throw path_error(failure, reserve ? "cannot reserve space for" : "cannot resize", path).hint("the volume is as it was");
}

} // namespace

Task<> resize_volume_file(VolumePtr volume, ByteCount capacity, unsigned flags, Site site) {
    const auto path = *volume->target.path;
    if (volume->target.format.value_or("raw") == "raw" && !volume->target.encryption) {
        auto work = [path, capacity, reserve = (flags & resize_flag::allocate) != 0] {
            resize_raw(path, static_cast<off_t>(capacity.bytes), reserve);
        };
        co_await site.block(std::move(work));
        co_return;
    }
    auto purpose = fmt::format("resize volume '{}'", volume->name);
    co_await resize_image(volume, path, capacity, flags, std::move(purpose), site);
}

} // namespace domus::storage
