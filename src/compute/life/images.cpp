#include "compute/life/images.hpp"

#include "compute/life/streams.hpp"
#include "engine/engine.hpp"
#include "image/chain.hpp"
#include "image/holder.hpp"
#include "image/lock.hpp"
#include "image/network_lock.hpp"
#include "image/new_qcow2.hpp"
#include "model/network_source.hpp"
#include "os/access.hpp"
#include "os/files.hpp"
#include "os/write_at.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <thread>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

using engine::Launch;
using engine::SharedFd;

constexpr auto only_alone =
    "it is opened for writing, and only raw images of disks with <shareable/> are written to by several";
constexpr std::size_t largest_variables = 64u << 20;

SharedFd open_shared(const Opener& caller, const std::string& path, int flags) {
    return std::make_shared<UniqueFd>(caller.open(path, flags));
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

/// Puts the chain that the image's header names below it.
void discover(std::vector<model::BackingStore>& below, const std::string& image, const std::string& format, int fd) {
    if (!below.empty() || format != "qcow2") return;
    const auto header = read_qcow2(image, fd);
    auto& store = below.emplace_back();
    if (!header.backing_file) return;
    if (image::is_elsewhere(*header.backing_file))
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: image '{}' has the backing image '{}', which is no file",
                                image, *header.backing_file))
            .hint("describe it with <backingStore>");
    store.type = model::DiskType::file;
    store.format = header.backing_format;
    store.source.file = image::beside(image, *header.backing_file);
}

/// As with libvirt, a backing image whose format nobody names is raw, unless it looks like anything else: a guest may
/// have written that.
void settle_format(model::BackingStore& store, const std::string& above, const std::string& path, int fd) {
    if (store.format) return;
    const auto seen = image::read_header(fd).format;
    if (image::qemu_driver(seen) != "raw")
        throw Error(
            ErrorCode::operation_invalid, ErrorDomain::storage,
            fmt::format("the format of backing image '{}' of image '{}' was not specified in the image metadata", path,
                        above))
            .because(fmt::format("it looks like {}", seen))
            .hint(fmt::format("if that is right: domus image rebase --unsafe --backing-format {} --backing '{}' '{}'",
                              seen, path, above));
    store.format = "raw";
}

/// `above` is the image over `below`.
void open_chain(const Opener& caller, const std::string& above, std::vector<model::BackingStore>& below,
                std::vector<Launch::Image>& images, Locking locking) {
    if (below.empty() || !below.front().type) return;
    if (images.size() > image::longest_chain)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("the backing chain is longer than {}", image::longest_chain));
    auto& store = below.front();
    const auto* path = path_of(*store.type, store.source);
    if (!path) return;
    auto fd = open_shared(caller, *path, O_RDONLY);
    if (locking == Locking::now) lock(*fd, *path, {});
    settle_format(store, above, *path, fd->get());
    discover(store.backing_store, *path, *store.format, fd->get());
    images.push_back({{std::move(fd)}});
    open_chain(caller, *path, store.backing_store, images, locking);
}

/// Where the changes of a transient disk go: a file without a name, which ends with the QEMU that has it. Beside the
/// image, where there is room for what belongs to it, if that can be.
UniqueFd open_throwaway(const Opener& caller, const model::Disk& disk, const std::string& image) {
    constexpr int flags = O_TMPFILE | O_RDWR;
    if (disk.type == model::DiskType::file) {
        try {
            return open_as(caller.who, std::filesystem::path(image).parent_path(), flags);
        } catch (const Error&) {
            // A folder that only the image's owner writes to, or a file system without such files (NFS).
        }
    }
    return open_as(caller.who, "/var/tmp", flags);
}

/// An image of the size that the guest sees, before anything is written.
SharedFd make_throwaway(const Opener& caller, const model::Disk& disk, const std::string& image, int fd) {
    auto file = open_throwaway(caller, disk, image);
    const auto format = disk.driver.type.value_or("raw");
    image::write_new_qcow2(file.get(), {.virtual_size = image::read_header(fd, format).virtual_size});
    return std::make_shared<UniqueFd>(std::move(file));
}

bool is_written_to(const model::Disk& disk) {
    return !disk.readonly && !disk.transient && disk.device != model::DiskDevice::cdrom;
}

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

void open_disk_images(const Opener& caller, model::Disk& disk, Launch& launch, Locking locking) {
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
    open_chain(caller, *path, disk.backing_store, images, locking);
}

/// The variables of a new machine. The definition's template is read with the rights of the caller.
std::string read_template(const Opener& caller, const std::string& path) {
    const auto source = caller.open(path, O_RDONLY);
    return read_file(fmt::format("/proc/self/fd/{}", source.get()), largest_variables);
}

/// Through the descriptor that QEMU gets: its lock says that nobody uses them.
void reset_variables(const Opener& caller, const UniqueFd& variables, const std::string& path,
                     const std::string& from) {
    if (from.empty())
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("unsupported configuration: the template of the variables in '{}' is not known", path))
            .hint("name it: <nvram template='...'> in <os>, or take firmware='efi' and leave <loader> out");
    const auto first = read_template(caller, from);
    if (::ftruncate(variables.get(), 0) < 0) throw path_error(errno, "cannot empty", path);
    if (write_at(variables.get(), first, 0) < first.size()) throw path_error(errno, "cannot write", path);
}

/// A file of the caller's choice: theirs, and gone again if it cannot be filled.
void make_variables(const Opener& caller, const std::string& path, const std::string& contents) {
    const auto fd = open_as(caller.who, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    try {
        write_all(fd.get(), contents, path);
        if (::fsync(fd.get()) < 0) throw path_error(errno, "cannot write", path);
    } catch (...) {
        remove_as(caller.who, path);
        throw;
    }
}

/// Variables of the domain's own, from the template where there are none yet. Below its own folder they are the daemon's.
SharedFd open_variables(const Opener& caller, const std::string& path, const std::string& own,
                        const std::string& variables_template) {
    if (!variables_template.empty() && !std::filesystem::exists(path)) {
        const auto contents = read_template(caller, variables_template);
        if (path == own) {
            ensure_directory_durably(std::filesystem::path(own).parent_path(), 0700);
            write_file_durably(own, contents, 0600);
        } else {
            make_variables(caller, path, contents);
        }
    }
    auto variables =
        path == own ? std::make_shared<UniqueFd>(open_file(own, O_RDWR)) : open_shared(caller, path, O_RDWR);
    lock(*variables, path, {.write = true});
    return variables;
}

/// Chooses the firmware, gives the domain variables of its own where it has none yet, and opens both.
void open_firmware(const Opener& caller, model::Domain& live, const ImageFolders& folders, Launch& launch) {
    const auto own = (folders.nvram / (live.name + "_VARS.fd")).string();
    auto choice = folders.engine->choose_firmware(live, own);
    if (choice.flash.empty()) return;
    auto& flash = choice.flash;
    flash.code_image.fds.push_back(open_shared(caller, flash.code, O_RDONLY));
    if (!flash.variables.empty()) {
        auto variables = open_variables(caller, flash.variables, own, choice.variables_template);
        if (folders.reset_nvram) reset_variables(caller, *variables, flash.variables, choice.variables_template);
        flash.variables_image.fds.push_back(std::move(variables));
        live.os.nvram.path = flash.variables;
    }
    live.os.loader.path = flash.code;
    launch.flash = std::move(flash);
}

/// Open for reading by QEMU itself, which opens it once more: where its user may not, it gets a copy in memory.
SharedFd open_readable(const Opener& caller, const std::optional<GuestUser>& guest, const std::string& path) {
    auto fd = caller.open(path, O_RDONLY);
    if (guest && !may_reopen(guest->credentials(), fd.get())) fd = copy_to_memfd("domus-copy", fd.get());
    return std::make_shared<UniqueFd>(std::move(fd));
}

/// A name that is no path is QEMU's own file, which it looks for itself.
void open_file_of(const Opener& caller, const std::optional<GuestUser>& guest, const std::string& path,
                  Launch& launch) {
    if (path.starts_with('/')) launch.files[path] = open_readable(caller, guest, path);
}

void open_platform_files(const Opener& caller, const std::optional<GuestUser>& guest, const model::Domain& live,
                         Launch& launch) {
    const auto open = [&](const std::string& path) { open_file_of(caller, guest, path, launch); };
    const auto& loader = live.os.loader;
    if (loader.path && loader.type.value_or(model::LoaderType::rom) == model::LoaderType::rom && launch.flash.empty())
        open(*loader.path);
    for (const auto& table : live.os.acpi_tables) open(table.path);
    for (const auto& info : live.sysinfo)
        for (const auto& entry : info.entries)
            if (entry.file) open(*entry.file);
    for (const auto& interface : live.devices.interfaces) open_rom(caller, guest, interface.rom, launch);
    for (const auto& hostdev : live.devices.hostdevs) open_rom(caller, guest, hostdev.rom, launch);
}

} // namespace

void open_disk(const Opener& caller, model::Disk& disk, Launch& launch, const std::filesystem::path& lock_folder,
               Locking locking) {
    try {
        lock_on_server(disk, launch, lock_folder);
        open_disk_images(caller, disk, launch, locking);
    } catch (Error& error) {
        error.prefix(fmt::format("disk '{}'", disk.target.dev));
        throw;
    }
}

void open_rom(const Opener& caller, const std::optional<GuestUser>& guest, const model::Rom& rom, Launch& launch) {
    if (rom.file) open_file_of(caller, guest, *rom.file, launch);
}

Launch open_images(model::Domain& live, const Opener& caller, const std::optional<GuestUser>& guest,
                   const ImageFolders& folders) {
    Launch launch;
    for (auto& disk : live.devices.disks) open_disk(caller, disk, launch, folders.locks);
    if (live.os.kernel) launch.kernel = open_readable(caller, guest, *live.os.kernel);
    if (live.os.initrd) launch.initrd = open_readable(caller, guest, *live.os.initrd);
    if (live.os.dtb) launch.dtb = open_readable(caller, guest, *live.os.dtb);
    open_firmware(caller, live, folders, launch);
    open_platform_files(caller, guest, live, launch);
    // Last, since it may make files: nothing is left where another one is missing.
    open_streams(caller.who, live.devices, launch);
    return launch;
}

} // namespace domus::compute
