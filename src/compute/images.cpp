#include "compute/images.hpp"

#include "engine/qemu/firmware.hpp"
#include "image/chain.hpp"
#include "image/holder.hpp"
#include "image/lock.hpp"
#include "image/network_lock.hpp"
#include "image/new_qcow2.hpp"
#include "model/network_source.hpp"
#include "os/access.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

using engine::qemu::Launch;
using engine::qemu::SharedFd;

constexpr auto only_alone = "it is opened for writing, and only raw images of disks with <shareable/> are written to by several";
constexpr std::size_t largest_variables = 64u << 20;

SharedFd open_shared(const Credentials& caller, const std::string& path, int flags) {
    return std::make_shared<UniqueFd>(open_as(caller, path, flags));
}

Error refused(const UniqueFd& fd, const std::string& path, image::Claim how) {
    auto error = image::in_use(path, fd.get());
    if (how.write && !how.share) error.add_cause(only_alone);
    return error;
}

void lock(const UniqueFd& fd, const std::string& path, image::Claim how) {
    // A process that ends gives its memory back first and its locks last, when it has no name any more.
    constexpr int attempts = 10;
    for (int attempt = 1; !image::claim(fd.get(), how); ++attempt) {
        if (attempt == attempts || image::find_holder(fd.get(), path)) throw refused(fd, path, how);
        std::this_thread::sleep_for(100ms);
    }
}

image::Header read_qcow2(const std::string& path, int fd) {
    try {
        return image::read_header(fd, "qcow2");
    } catch (Error& error) {
        error.prefix(fmt::format("image '{}'", path));
        throw;
    }
}

const std::string* path_of(model::DiskType type, const model::DiskSource& source) {
    if (type == model::DiskType::file && source.file) return &*source.file;
    if (type == model::DiskType::block && source.dev) return &*source.dev;
    return nullptr;
}

/// Puts the chain that the image's header tells of below it. Only a format that the image names itself is followed:
/// the contents of a raw backing file may look like another format and name any file of the host.
void discover(std::vector<model::BackingStore>& below, const std::string& image, const std::string& format, int fd) {
    if (!below.empty() || format != "qcow2") return;
    const auto header = read_qcow2(image, fd);
    auto& store = below.emplace_back();
    if (!header.backing_file) return;
    if (image::is_elsewhere(*header.backing_file))
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: image '{}' has the backing image '{}', which is no file", image,
                                *header.backing_file))
            .hint("describe it with <backingStore>");
    if (!header.backing_format)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format("the format of backing image '{}' of image '{}' was not specified in the image metadata",
                                *header.backing_file, image))
            .hint(fmt::format("domus image rebase --unsafe --backing-format FORMAT --backing '{}' '{}'", *header.backing_file, image));
    store.type = model::DiskType::file;
    store.format = header.backing_format;
    store.source.file = image::beside(image, *header.backing_file);
}

void open_chain(const Credentials& caller, std::vector<model::BackingStore>& below, std::vector<Launch::Image>& images, Locking locking) {
    if (below.empty() || !below.front().type) return;
    if (images.size() > image::longest_chain)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage, fmt::format("the backing chain is longer than {}", image::longest_chain));
    auto& store = below.front();
    const auto* path = path_of(*store.type, store.source);
    if (!path) return;
    auto fd = open_shared(caller, *path, O_RDONLY);
    if (locking == Locking::now) lock(*fd, *path, {});
    discover(store.backing_store, *path, store.format.value_or("raw"), fd->get());
    images.push_back({{std::move(fd)}});
    open_chain(caller, store.backing_store, images, locking);
}

/// Where the changes of a transient disk go: a file without a name, which ends with the QEMU that has it. Beside the
/// image, where there is room for what belongs to it, if that can be.
UniqueFd open_throwaway(const Credentials& caller, const model::Disk& disk, const std::string& image) {
    constexpr int flags = O_TMPFILE | O_RDWR;
    if (disk.type == model::DiskType::file) {
        try {
            return open_as(caller, std::filesystem::path(image).parent_path(), flags);
        } catch (const Error&) {
            // A folder that only the image's owner writes to, or a file system without such files (NFS).
        }
    }
    return open_as(caller, "/var/tmp", flags);
}

/// An image of the size that the guest sees, before anything is written.
SharedFd make_throwaway(const Credentials& caller, const model::Disk& disk, const std::string& image, int fd) {
    auto file = open_throwaway(caller, disk, image);
    const auto format = disk.driver.type.value_or("raw");
    image::write_new_qcow2(file.get(), {.virtual_size = image::read_header(fd, format).virtual_size});
    return std::make_shared<UniqueFd>(std::move(file));
}

bool is_written_to(const model::Disk& disk) { return !disk.readonly && !disk.transient && disk.device != model::DiskDevice::cdrom; }

void lock_on_server(const model::Disk& disk, Launch& launch, const std::filesystem::path& folder) {
    const auto source = model::network_source(disk.type, disk.source);
    if (!source || !disk.alias) return;
    const image::Claim how{.write = is_written_to(disk), .share = disk.shareable};
    UniqueFd held;
    try {
        held = image::lock_network_image(folder, *source, how);
    } catch (Error& error) {
        if (how.write && !how.share) error.add_cause(only_alone);
        throw;
    }
    launch.disks[*disk.alias].push_back({{std::make_shared<UniqueFd>(std::move(held))}});
}

void open_disk_images(const Credentials& caller, model::Disk& disk, Launch& launch, Locking locking) {
    const auto* path = path_of(disk.type, disk.source);
    if (!path || !disk.alias) return;
    const bool writable = is_written_to(disk);
    const bool optional = disk.source.startup_policy == model::StartupPolicy::optional;
    SharedFd fd;
    try {
        fd = open_shared(caller, *path, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK);
    } catch (const Error&) {
        if (!optional) throw;
        disk.source = {};
        return;
    }
    if (locking == Locking::now) lock(*fd, *path, {.write = writable, .share = disk.shareable});
    auto& images = launch.disks[*disk.alias];
    if (disk.transient) images.push_back({{make_throwaway(caller, disk, *path, fd->get())}});
    discover(disk.backing_store, *path, disk.driver.type.value_or("raw"), fd->get());
    images.push_back({{std::move(fd)}});
    open_chain(caller, disk.backing_store, images, locking);
}

/// Chooses the firmware, gives the domain variables of its own where it has none yet, and opens both.
void open_firmware(const Credentials& caller, model::Domain& live, const std::filesystem::path& nvram_folder, Launch& launch) {
    using namespace engine::qemu;
    const auto own = (nvram_folder / (live.name + "_VARS.fd")).string();
    auto choice = choose_firmware(live, read_firmware_descriptors(default_firmware_folders()), own);
    if (choice.flash.empty()) return;
    auto& flash = choice.flash;
    flash.code_image.fds.push_back(open_shared(caller, flash.code, O_RDONLY));
    if (!flash.variables.empty()) {
        if (!choice.variables_template.empty() && !std::filesystem::exists(flash.variables)) {
            ensure_directory(std::filesystem::path(flash.variables).parent_path(), 0700);
            write_file_durably(flash.variables, read_file(choice.variables_template, largest_variables), 0600);
        }
        // The variables are the daemon's own file, below its folder, unless the definition names another.
        const auto who = flash.variables == own ? own_credentials() : caller;
        auto variables = open_shared(who, flash.variables, O_RDWR);
        lock(*variables, flash.variables, {.write = true});
        flash.variables_image.fds.push_back(std::move(variables));
        live.os.nvram.path = flash.variables;
    }
    live.os.loader.path = flash.code;
    launch.flash = std::move(flash);
}

} // namespace

void open_disk(const Credentials& caller, model::Disk& disk, Launch& launch, const std::filesystem::path& lock_folder, Locking locking) {
    try {
        lock_on_server(disk, launch, lock_folder);
        open_disk_images(caller, disk, launch, locking);
    } catch (Error& error) {
        error.prefix(fmt::format("disk '{}'", disk.target.dev));
        throw;
    }
}

Launch open_images(model::Domain& live, const Credentials& caller, const std::filesystem::path& nvram_folder, const std::filesystem::path& lock_folder) {
    Launch launch;
    open_firmware(caller, live, nvram_folder, launch);
    for (auto& disk : live.devices.disks) open_disk(caller, disk, launch, lock_folder);
    if (live.os.kernel) launch.kernel = open_shared(caller, *live.os.kernel, O_RDONLY);
    if (live.os.initrd) launch.initrd = open_shared(caller, *live.os.initrd, O_RDONLY);
    if (live.os.dtb) launch.dtb = open_shared(caller, *live.os.dtb, O_RDONLY);
    return launch;
}

} // namespace domus::compute
