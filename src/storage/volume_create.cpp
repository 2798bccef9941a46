// New volumes that are files.
#include "storage/open_volume_file.hpp"
#include "storage/volume_file.hpp"

#include "image/chain.hpp"
#include "image/formats.hpp"
#include "image/new_qcow2.hpp"
#include "image/option.hpp"
#include "os/files.hpp"
#include "storage/encryption.hpp"
#include "storage/named_files.hpp"
#include "storage/unfinished_file.hpp"
#include "storage/volume_making.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

/// For btrfs, which else writes every change of an image somewhere else; the file must be empty still.
bool set_nocow(int fd) {
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return false;
    flags |= FS_NOCOW_FL;
    return ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

void make_raw(const Unfinished& made, ByteCount capacity, ByteCount allocation, bool nocow, Progress& progress) {
    const auto& [path, file] = made;
    const auto& fd = *file;
    if (nocow && !set_nocow(fd.get()))
        throw path_error(errno, "Failed to set NOCOW flag of", path).hint("leave <nocow/> out: it is for btrfs");
    if (::ftruncate(fd.get(), static_cast<off_t>(capacity.bytes)) < 0)
        throw path_error(errno, "cannot give a size to", path);
    if (const auto reserved = std::min(capacity, allocation); reserved.bytes > 0) reserve(fd, path, reserved, progress);
}

/// The backing image as a path of the host: in the document it may be relative to the new image's folder.
std::string backing_path(const std::string& image, const model::VolumeBackingStore& backing) {
    return (fs::path(image).parent_path() / backing.path).lexically_normal().string();
}

/// What is below a new image must be there, and be what the document says. Where that says no format libvirt takes it for
/// raw; so do we, unless it looks like anything else: then what is in it would be seen by the guest instead of what it means.
void settle_backing(const std::string& image, model::Volume& wanted) {
    if (!wanted.backing_store) return;
    auto& backing = *wanted.backing_store;
    const auto path = backing_path(image, backing);
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0) throw path_error(errno, "inaccessible backing store volume", path);
    if (S_ISDIR(info.st_mode)) throw path_error(EISDIR, "inaccessible backing store volume", path);
    if (!backing.format && image::read_header(image::open_image(path).get()).format == "raw") backing.format = "raw";
}

/// Without encryption and preallocation.
void make_qcow2(const Unfinished& unfinished, const model::Volume& wanted) {
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
        made.virtual_size =
            image::read_header(image::open_image(backing_path(unfinished.path, backing)).get(), *backing.format)
                .virtual_size;
    }
    if (wanted.capacity && wanted.capacity->bytes > 0) made.virtual_size = *wanted.capacity;
    const auto& file = *unfinished.file;
    if (target.nocow) (void)set_nocow(file.get()); // where that means nothing, as with qemu-img
    image::write_new_qcow2(file.get(), made);
}

} // namespace

int allocate(int fd, std::uint64_t begin, std::uint64_t end, int mode, Progress& progress) {
    constexpr std::uint64_t most_at_once = 64u << 20;
    progress.expect(end - begin);
    const auto bytes = [](std::uint64_t count) { return static_cast<off_t>(count); };
    const int failure = ::fallocate(fd, mode, bytes(begin), bytes(end - begin)) < 0 ? errno : 0;
    if (failure == 0) progress.advance(end - begin);
    if (failure != EOPNOTSUPP) return failure;
    while (begin < end) {
        progress.check();
        const auto piece = std::min(most_at_once, end - begin);
        if (const int written = ::posix_fallocate(fd, bytes(begin), bytes(piece)); written != 0) return written;
        progress.advance(piece);
        begin += piece;
    }
    return 0;
}

void reserve(const UniqueFd& fd, const std::string& path, ByteCount size, Progress& progress) {
    if (const int failure = allocate(fd.get(), 0, size.bytes, 0, progress); failure != 0)
        throw path_error(failure, "cannot reserve space for", path);
}

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
        if (is_full(wanted))
            add("preallocation", "falloc");
        else if (preallocate_metadata)
            add("preallocation", "metadata");
    }
    if (const auto options = encryption_options(wanted); !options.empty()) list += (list.empty() ? "" : ",") + options;
    if (wanted.backing_store) {
        add("backing_file", image::option_value(wanted.backing_store->path));
        add("backing_fmt", *wanted.backing_store->format);
    }
    return list;
}

void admit_volume(const model::Volume& wanted, unsigned flags) {
    const auto format = wanted.target.format.value_or("raw");
    const auto refuse = [&](std::string what, std::string hint = {}) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: volume '{}': {}", wanted.name, what))
            .hint(std::move(hint));
    };
    const auto* kind = image::find_format(format);
    if (!kind || !kind->creatable) refuse(fmt::format("format '{}' cannot be made", format), "take 'raw' or 'qcow2'");
    if ((flags & create_flag::preallocate_metadata) && format != "qcow2")
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    "unsupported configuration: metadata preallocation only available with qcow2");
    if (format == "qcow2" && wanted.target.compat.value_or("1.1") != "1.1" && wanted.target.compat != "0.10")
        refuse(fmt::format("qcow2 has no compat level '{}'", *wanted.target.compat),
               "take '1.1', or '0.10' for QEMU before 1.1");
    for (const auto& item : wanted.target.rest.items)
        if (item.parent == "features") refuse(fmt::format("{} is no feature that an image can have", item.text));
    if (wanted.target.encryption) admit_encryption(wanted);
    if (wanted.backing_store && format == "raw")
        throw Error(
            ErrorCode::no_support, ErrorDomain::storage,
            "this function is not supported by the connection driver: backing storage not supported for raw volumes")
            .hint("take <format type='qcow2'/>");
    if (wanted.backing_store && !wanted.backing_store->format)
        refuse("the format of its backing image is not said",
               "write <backingStore><format type='...'/></backingStore>: it is not guessed from contents that a guest "
               "could have written");
    if (!wanted.capacity && !wanted.backing_store) refuse("it has no <capacity>");
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
        if (attempt == attempts || failure->text().find("accurate CPU usage") == std::string::npos)
            throw std::move(*failure);
    }
}

Command making_command() {
    Command command("qemu-img");
    command.death_signal = SIGTERM;
    return command;
}

namespace {

Task<> make_image(Unfinished made, model::Volume wanted, unsigned flags, Site site) {
    const auto format = wanted.target.format.value_or("raw");
    if (format == "raw" && !wanted.target.encryption) {
        auto work = [made, capacity = *wanted.capacity, allocation = wanted.allocation.value_or(*wanted.capacity),
                     nocow = wanted.target.nocow,
                     progress = site.progress()] { make_raw(made, capacity, allocation, nocow, *progress); };
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
    command->arguments.push_back(name_for_program(*command, made.file, made.path,
                                                  wanted.backing_store && is_relative(wanted.backing_store->path)));
    if (wanted.capacity && wanted.capacity->bytes > 0)
        command->arguments.push_back(std::to_string(wanted.capacity->bytes));
    const auto purpose = fmt::format("make volume '{}'", wanted.name);
    if (wanted.target.encryption) {
        co_await pass_key(command, "volume-key", key_of(wanted), site);
        co_await make_encrypted(command, purpose, site.cancellable());
    } else {
        (void)co_await site.cancellable().run(std::move(*command), purpose);
    }
}

} // namespace

Task<> require_backing(std::string path, model::VolumeBackingStore backing, Site site) {
    auto check = [path, backing](const Opener& asker) {
        require_readable_backing(asker, path, backing.path, backing.format);
    };
    co_await site.check_asker(std::move(check));
}

Task<> create_volume_file(std::string path, model::Volume wanted, unsigned flags, Site site) {
    auto check = [path, wanted, flags]() mutable {
        if (wanted.target.format)
            wanted.target.format = image::qemu_driver(*wanted.target.format); // an empty disc is raw
        settle_backing(path, wanted);
        admit_volume(wanted, flags);
        require_absent(path);
        return wanted;
    };
    wanted = co_await site.block(std::move(check));
    if (wanted.backing_store) co_await require_backing(path, *wanted.backing_store, site);
    const auto permissions = wanted.target.permissions;
    auto make = [wanted = std::move(wanted), flags, site](Unfinished made) {
        return make_image(std::move(made), wanted, flags, site);
    };
    co_await make_whole(path, permissions, site, std::move(make));
}

} // namespace domus::storage
