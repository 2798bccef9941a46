#include "model/disk.hpp"

#include <fmt/format.h>

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

bool DiskSource::empty() const {
    return !file && !dev && !dir && !protocol && !volume && !path && !address && !fdgroup;
}

std::string DiskSource::text() const {
    for (const auto* place : {&file, &dev, &dir, &path})
        if (*place) return **place;
    if (volume) return fmt::format("{}/{}", pool.value_or(""), *volume);
    if (protocol) return fmt::format("{}:{}", *protocol, name.value_or(""));
    if (address) return address->text();
    return {};
}

const Schema& DiskDriver::schema() {
    static const Schema table =
        Describe<DiskDriver>("driver", "How the host reads and writes the image.")
            .field("@name", &DiskDriver::name, "program that serves it: qemu")
            .field("@type", &DiskDriver::type, "format of the image: raw, qcow2, ...", never_empty)
            .field("@cache", &DiskDriver::cache, "how the host's page cache is used")
            .field("@error_policy", &DiskDriver::error_policy, "what happens when a write fails")
            .field("@rerror_policy", &DiskDriver::rerror_policy, "what happens when a read fails, if not the same")
            .field("@io", &DiskDriver::io, "interface of the kernel that is used")
            .field("@ioeventfd", &DiskDriver::ioeventfd, "whether the guest's doorbell avoids the main loop")
            .field("@event_idx", &DiskDriver::event_idx, "whether interrupts are held back under load")
            .field("@copy_on_read", &DiskDriver::copy_on_read, "whether what is read from backing images is copied up")
            .field("@discard", &DiskDriver::discard, "whether the guest's discards reach the image")
            .field("@iothread", &DiskDriver::iothread, "number of the I/O thread that serves it")
            .field("@detect_zeroes", &DiskDriver::detect_zeroes, "whether writes of zeros are made holes")
            .field("@discard_no_unref", &DiskDriver::discard_no_unref,
                   "qcow2: whether discarded clusters stay allocated")
            .field("@queues", &DiskDriver::queues, "number of queues")
            .field("@queue_size", &DiskDriver::queue_size, "entries of each")
            .field("@iommu", &DiskDriver::iommu, "whether the device goes through the guest's IOMMU")
            .field("@ats", &DiskDriver::ats, "whether it offers address translation services")
            .field("@packed", &DiskDriver::packed, "whether it offers packed queues")
            .field("@page_per_vq", &DiskDriver::page_per_vq, "whether each queue's doorbell has a page of its own")
            .scaled("metadata_cache/max_size", &DiskDriver::metadata_cache, "bytes", "bytes",
                    "cache for qcow2's tables");
    return table;
}

const Schema& SourceHost::schema() {
    static const Schema table =
        Describe<SourceHost>("host", "A server that has the image.")
            .field("@transport", &SourceHost::transport, "how it is reached")
            .field("@name", &SourceHost::name, "its name or address")
            .field("@port", &SourceHost::port, "its port")
            .field("@socket", &SourceHost::socket, "its socket, for transport unix", never_empty);
    return table;
}

const Schema& Cookie::schema() {
    static const Schema table = Describe<Cookie>("cookie", "A cookie that is sent to the server.")
                                    .field("@name", &Cookie::name, "its name", required)
                                    .field(".", &Cookie::value, "its value", format::secret | never_empty);
    return table;
}

const Schema& Slice::schema() {
    static const Schema table = Describe<Slice>("slice", "The part of the file in which the image lies.")
                                    .field("@type", &Slice::type, "'storage'")
                                    .field("@offset", &Slice::offset, "first byte", required)
                                    .field("@size", &Slice::size, "number of bytes", required);
    return table;
}

const Schema& Reservations::schema() {
    static const Schema table = Describe<Reservations>("reservations", "Helper for SCSI persistent reservations.")
                                    .field("@managed", &Reservations::managed, "whether the daemon starts it", required)
                                    .field("source@type", &Reservations::type, "'unix'")
                                    .field("source@path", &Reservations::path, "its socket")
                                    .field("source@mode", &Reservations::mode, "'client'");
    return table;
}

DiskSource::DiskSource() = default;
DiskSource::DiskSource(const DiskSource&) = default;
DiskSource::DiskSource(DiskSource&&) noexcept = default;
DiskSource& DiskSource::operator=(const DiskSource&) = default;
DiskSource& DiskSource::operator=(DiskSource&&) noexcept = default;
DiskSource::~DiskSource() = default;
bool DiskSource::operator==(const DiskSource&) const = default;

const Schema& DiskSource::schema() {
    static const Schema table =
        Describe<DiskSource>("source", "Where the bytes are. Which attributes count depends on the type beside it.")
            .field("@protocol", &DiskSource::protocol,
                   "network: nbd, rbd, iscsi, gluster, nfs, http, https, ftp, ssh, ...")
            .field("@name", &DiskSource::name, "network: name of the image on the server")
            .field("@query", &DiskSource::query, "network: query of a URL")
            .field("@tls", &DiskSource::tls, "network: whether the connection is encrypted")
            .field("@tlsHostname", &DiskSource::tls_hostname, "network: name that the certificate must have")
            .field("@file", &DiskSource::file, "file: its path")
            .field("@fdgroup", &DiskSource::fdgroup, "file: name of descriptors that the client passed", never_empty)
            .field("@dev", &DiskSource::dev, "block: path of the device")
            .field("@dir", &DiskSource::dir, "dir: folder that is shown as a FAT disk")
            .field("@pool", &DiskSource::pool, "volume: storage pool")
            .field("@volume", &DiskSource::volume, "volume: its name in the pool")
            .field("@mode", &DiskSource::mode, "volume of an iSCSI pool: through the host or directly")
            .field("@type", &DiskSource::type, "vhostuser: unix; nvme: pci")
            .field("@path", &DiskSource::path, "vhostuser: socket")
            .field("@managed", &DiskSource::managed, "nvme: whether the daemon takes it from the host's driver")
            .field("@namespace", &DiskSource::nvme_namespace, "nvme: namespace")
            .field("@startupPolicy", &DiskSource::startup_policy, "what happens at start when it is missing")
            .field("@index", &DiskSource::index, "number of the image in the chain", live_only | empty_is_absent)
            .field("host", &DiskSource::hosts)
            .field("snapshot@name", &DiskSource::snapshot, "rbd: snapshot of the image")
            .field("config@file", &DiskSource::config_file, "rbd: configuration file")
            .field("address", &DiskSource::address, "nvme: PCI address of the controller")
            .field("initiator/iqn@name", &DiskSource::initiator, "iscsi: our own name")
            .field("auth", &DiskSource::auth)
            .field("slices/slice", &DiskSource::slices)
            .field("reservations", &DiskSource::reservations)
            .field("ssl@verify", &DiskSource::ssl_verify, "whether the server's certificate is verified")
            .field("cookies/cookie", &DiskSource::cookies)
            .field("readahead@size", &DiskSource::readahead, "http, ftp: bytes read ahead", empty_is_absent)
            .field("timeout@seconds", &DiskSource::timeout, "http, ftp: seconds to wait", empty_is_absent)
            .field("identity@user", &DiskSource::identity_user, "nfs: user")
            .field("identity@group", &DiskSource::identity_group, "nfs: group")
            .field("encryption", &DiskSource::encryption)
            .field("reconnect", &DiskSource::reconnect, "vhostuser")
            .field("seclabel", &DiskSource::seclabels);
    return table;
}

const Schema& BackingStore::schema() {
    static const Schema table =
        Describe<BackingStore>("backingStore", "The image below; without a type, the end of the chain.")
            .field("@type", &BackingStore::type, "what kind of place holds it")
            .field("@index", &BackingStore::index, "number of the image in the chain", live_only | empty_is_absent)
            .field("format@type", &BackingStore::format, "format of the image")
            .scaled("format/metadata_cache/max_size", &BackingStore::metadata_cache, "bytes", "bytes",
                    "cache for qcow2's tables")
            .field("source", &BackingStore::source)
            .field("backingStore", &BackingStore::backing_store);
    return table;
}

const Schema& DiskMirror::schema() {
    static const Schema table = Describe<DiskMirror>("mirror", "The copy that a block job is making.")
                                    .field("@type", &DiskMirror::type, "what kind of place holds the copy")
                                    .field("@file", &DiskMirror::file, "its path, as old clients read it")
                                    .field("@format", &DiskMirror::file_format, "its format, as old clients read it")
                                    .field("@job", &DiskMirror::job, "kind of the job")
                                    .field("@ready", &DiskMirror::ready, "whether both are equal, or how the job ends")
                                    .field("format@type", &DiskMirror::format, "format of the copy")
                                    .field("source", &DiskMirror::source)
                                    .field("backingStore", &DiskMirror::backing_store);
    return table;
}

const Schema& DiskTarget::schema() {
    static const Schema table =
        Describe<DiskTarget>("target", "What the guest sees.")
            .field("@dev", &DiskTarget::dev, "name in this definition: vda, sda, hdc, fda", required)
            .field("@bus", &DiskTarget::bus, "kind of disk controller")
            .field("@tray", &DiskTarget::tray, "of a CD-ROM or floppy: whether it is open")
            .field("@removable", &DiskTarget::removable, "USB: whether the guest thinks it removable")
            .field("@rotation_rate", &DiskTarget::rotation_rate, "turns a minute; 1 for solid state");
    return table;
}

const Schema& IoTune::schema() {
    static const Schema table =
        Describe<IoTune>("iotune", "Limits of the disk's speed: bytes or operations a second.")
            .field("total_bytes_sec", &IoTune::total_bytes_sec, "reading and writing together")
            .field("read_bytes_sec", &IoTune::read_bytes_sec)
            .field("write_bytes_sec", &IoTune::write_bytes_sec)
            .field("total_iops_sec", &IoTune::total_iops_sec, "operations of both kinds together")
            .field("read_iops_sec", &IoTune::read_iops_sec)
            .field("write_iops_sec", &IoTune::write_iops_sec)
            .field("total_bytes_sec_max", &IoTune::total_bytes_sec_max, "in bursts")
            .field("read_bytes_sec_max", &IoTune::read_bytes_sec_max)
            .field("write_bytes_sec_max", &IoTune::write_bytes_sec_max)
            .field("total_iops_sec_max", &IoTune::total_iops_sec_max)
            .field("read_iops_sec_max", &IoTune::read_iops_sec_max)
            .field("write_iops_sec_max", &IoTune::write_iops_sec_max)
            .field("size_iops_sec", &IoTune::size_iops_sec, "size in bytes above which an operation counts as several")
            .field("group_name", &IoTune::group_name, "disks of one group share their limits")
            .field("total_bytes_sec_max_length", &IoTune::total_bytes_sec_max_length, "seconds that a burst may last")
            .field("read_bytes_sec_max_length", &IoTune::read_bytes_sec_max_length)
            .field("write_bytes_sec_max_length", &IoTune::write_bytes_sec_max_length)
            .field("total_iops_sec_max_length", &IoTune::total_iops_sec_max_length)
            .field("read_iops_sec_max_length", &IoTune::read_iops_sec_max_length)
            .field("write_iops_sec_max_length", &IoTune::write_iops_sec_max_length);
    return table;
}

Disk::Disk() = default;
Disk::Disk(const Disk&) = default;
Disk::Disk(Disk&&) noexcept = default;
Disk& Disk::operator=(const Disk&) = default;
Disk& Disk::operator=(Disk&&) noexcept = default;
Disk::~Disk() = default;
bool Disk::operator==(const Disk&) const = default;

const Schema& Disk::schema() {
    static const Schema table =
        Describe<Disk>("disk", "A disk, CD-ROM or floppy.")
            .field("@type", &Disk::type, "what kind of place holds the bytes")
            .field("@device", &Disk::device, "what the guest sees")
            .field("@model", &Disk::model, "virtio: generation of the device", never_empty)
            .field("@rawio", &Disk::rawio, "lun: whether raw commands need privileges")
            .field("@sgio", &Disk::sgio, "lun: whether the kernel filters commands")
            .field("@snapshot", &Disk::snapshot, "how a snapshot treats the disk when nobody says")
            .field("driver", &Disk::driver)
            .field("auth", &Disk::auth, "old place; see source")
            .field("source", &Disk::source)
            .field("backingStore", &Disk::backing_store)
            .refuse("backenddomain", "it belongs to Xen")
            .field("geometry@cyls", &Disk::cylinders, "cylinders")
            .field("geometry@heads", &Disk::heads, "heads")
            .field("geometry@secs", &Disk::sectors, "sectors a track")
            .field("geometry@trans", &Disk::translation, "what the BIOS makes of them")
            .field("blockio@logical_block_size", &Disk::logical_block_size, "bytes the guest addresses")
            .field("blockio@physical_block_size", &Disk::physical_block_size, "bytes the guest should write at once")
            .field("blockio@discard_granularity", &Disk::discard_granularity, "bytes the guest should discard at once")
            .field("mirror", &Disk::mirror, "", live_only)
            .field("target", &Disk::target, "", required)
            .field("iotune", &Disk::iotune)
            .flag("readonly", &Disk::readonly, "the guest cannot write")
            .flag("shareable", &Disk::shareable, "several domains may use it at once")
            .flag("transient", &Disk::transient, "what the guest writes is forgotten when it stops")
            .field("transient@shareBacking", &Disk::share_backing, "whether several domains share the image below")
            .field("serial", &Disk::serial, "serial number that the guest sees")
            .field("wwn", &Disk::wwn, "world wide name: 16 hexadecimal digits")
            .field("vendor", &Disk::vendor, "SCSI vendor, up to 8 characters")
            .field("product", &Disk::product, "SCSI product, up to 16 characters")
            .field("encryption", &Disk::encryption, "old place; see source")
            .field("boot@order", &Disk::boot_order, "place in the order of booting, from 1")
            .field("alias@name", &Disk::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Disk::address);
    return table;
}

} // namespace domus::model
