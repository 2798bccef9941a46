// New volumes that are files.
#include "storage/volume_file.hpp"

#include "image/chain.hpp"
#include "image/new_qcow2.hpp"
#include "image/option.hpp"
#include "os/files.hpp"
#include "storage/encryption.hpp"
#include "storage/unfinished_file.hpp"
#include "storage/volume_making.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 7> made_formats{"raw", "qcow2", "vmdk", "vdi", "vpc", "vhdx", "qed"};

void make_raw(const std::string& path, ByteCount capacity, ByteCount allocation) {
    const auto fd = open_file(path, O_RDWR);
    if (::ftruncate(fd.get(), static_cast<off_t>(capacity.bytes)) < 0)
        throw path_error(errno, "cannot give a size to", path);
    if (const auto reserved = std::min(capacity, allocation); reserved.bytes > 0) reserve(fd, path, reserved);
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

} // namespace

void reserve(const UniqueFd& fd, const std::string& path, ByteCount size) {
    if (const int failure = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size.bytes)); failure != 0)
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
        if (is_full(wanted)) add("preallocation", "falloc");
        else if (preallocate_metadata) add("preallocation", "metadata");
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

Command making_command() {
    Command command("qemu-img");
    command.death_signal = SIGTERM;
    return command;
}

namespace {

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

} // namespace

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

} // namespace domus::storage
