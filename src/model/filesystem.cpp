#include "model/filesystem.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::Schema;

const Schema& FilesystemDriver::schema() {
    static const Schema table =
        Describe<FilesystemDriver>("driver", "What serves the folder.")
            .field("@type", &FilesystemDriver::type, "virtiofs, or path for 9p", never_empty)
            .field("@format", &FilesystemDriver::format, "format of an image", never_empty)
            .field("@name", &FilesystemDriver::name, "name of the driver")
            .field("@wrpolicy", &FilesystemDriver::wrpolicy, "9p: immediate writes through", never_empty)
            .field("@queue", &FilesystemDriver::queue, "virtiofs: entries of the queue", empty_is_absent)
            .field("@iommu", &FilesystemDriver::iommu, "whether the device goes through the guest's IOMMU")
            .field("@ats", &FilesystemDriver::ats, "whether it offers address translation services")
            .field("@packed", &FilesystemDriver::packed, "whether it offers packed queues")
            .field("@page_per_vq", &FilesystemDriver::page_per_vq,
                   "whether each queue's doorbell has a page of its own");
    return table;
}

const Schema& FilesystemBinary::schema() {
    static const Schema table =
        Describe<FilesystemBinary>("binary", "The virtiofs daemon.")
            .field("@path", &FilesystemBinary::path, "its program")
            .field("@xattr", &FilesystemBinary::xattr, "whether extended attributes are passed")
            .field("cache@mode", &FilesystemBinary::cache, "none, always", never_empty)
            .field("sandbox@mode", &FilesystemBinary::sandbox, "namespace, chroot", never_empty)
            .field("lock@posix", &FilesystemBinary::lock_posix, "whether POSIX locks are passed")
            .field("lock@flock", &FilesystemBinary::lock_flock, "whether BSD locks are passed")
            .field("thread_pool@size", &FilesystemBinary::thread_pool_size, "number of its threads", empty_is_absent);
    return table;
}

Filesystem::Filesystem() = default;
Filesystem::Filesystem(const Filesystem&) = default;
Filesystem::Filesystem(Filesystem&&) noexcept = default;
Filesystem& Filesystem::operator=(const Filesystem&) = default;
Filesystem& Filesystem::operator=(Filesystem&&) noexcept = default;
Filesystem::~Filesystem() = default;
bool Filesystem::operator==(const Filesystem&) const = default;

const Schema& Filesystem::schema() {
    static const Schema table =
        Describe<Filesystem>("filesystem", "A folder of the host that the guest can mount.")
            .field("@type", &Filesystem::type, "what is shared")
            .field("@accessmode", &Filesystem::accessmode, "whose rights count on the host", empty_is_absent)
            .field("@model", &Filesystem::model, "virtio: generation of the device", never_empty)
            .field("@multidevs", &Filesystem::multidevs, "9p: what is done with folders on other devices")
            .field("@fmode", &Filesystem::fmode, "9p: mode of new files, octal", never_empty)
            .field("@dmode", &Filesystem::dmode, "9p: mode of new folders, octal", never_empty)
            .field("driver", &Filesystem::driver)
            .field("binary", &Filesystem::binary)
            .field("source@dir", &Filesystem::source_dir, "mount: folder of the host")
            .field("source@file", &Filesystem::source_file, "file: image")
            .field("source@dev", &Filesystem::source_dev, "block: device")
            .field("source@name", &Filesystem::source_name, "template: name")
            .field("source@socket", &Filesystem::source_socket, "socket of a virtiofs daemon that runs already")
            .field("source@pool", &Filesystem::source_pool, "volume: storage pool")
            .field("source@volume", &Filesystem::source_volume, "volume: its name in the pool")
            .field("source@usage", &Filesystem::source_usage, "ram: how much")
            .field("source@units", &Filesystem::source_units, "ram: in which unit")
            .field("target@dir", &Filesystem::target, "tag by which the guest mounts it", format::required)
            .flag("readonly", &Filesystem::readonly, "the guest cannot write")
            .scaled("space_hard_limit", &Filesystem::space_hard_limit, "bytes", "bytes", "containers: most that fits")
            .scaled("space_soft_limit", &Filesystem::space_soft_limit, "bytes", "bytes", "containers: most for long")
            .field("boot@order", &Filesystem::boot_order, "place in the order of booting, from 1")
            .field("alias@name", &Filesystem::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Filesystem::address);
    return table;
}

} // namespace domus::model
