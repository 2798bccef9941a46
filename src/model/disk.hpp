// A disk, CD-ROM or floppy: what the guest sees (target), where its bytes are (source and the backing chain below it),
// and how they are reached (driver).
#pragma once

#include "model/address.hpp"
#include "model/common.hpp"

namespace domus::model {

enum class DiskType { file, block, dir, network, volume, nvme, vhostuser, vhostvdpa };
enum class DiskDevice { disk, cdrom, floppy, lun };
enum class DiskBus { ide, fdc, scsi, virtio, xen, usb, uml, sata, sd };
enum class DiskCache { default_, none, writeback, writethrough, directsync, unsafe };
enum class DiskIo { threads, native, io_uring };
enum class DiskDiscard { unmap, ignore };
enum class DetectZeroes { off, on, unmap };
enum class ErrorPolicy { stop, report, ignore, enospace };
enum class StartupPolicy { mandatory, requisite, optional };
enum class SnapshotMode { no, internal, external, manual };
enum class Tray { open, closed };
enum class SgIo { filtered, unfiltered };
enum class GeometryTranslation { auto_, none, lba };
enum class HostTransport { tcp, unix_socket, rdma };
enum class VolumeMode { host, direct };

struct DiskDriver {
    std::optional<std::string> name; ///< "qemu"
    std::optional<std::string> type; ///< image format: "raw", "qcow2", ...
    std::optional<DiskCache> cache;
    std::optional<ErrorPolicy> error_policy, rerror_policy;
    std::optional<DiskIo> io;
    std::optional<OnOff> ioeventfd, event_idx, copy_on_read;
    std::optional<DiskDiscard> discard;
    std::optional<unsigned> iothread;
    std::optional<DetectZeroes> detect_zeroes;
    std::optional<unsigned> queues, queue_size;
    std::optional<OnOff> iommu, ats, packed, page_per_vq, discard_no_unref;
    std::optional<ByteCount> metadata_cache;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DiskDriver&) const = default;
};

struct SourceHost {
    std::optional<HostTransport> transport;
    std::optional<std::string> name;
    std::optional<unsigned> port;
    std::optional<std::string> socket;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SourceHost&) const = default;
};

struct Cookie {
    std::string name, value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Cookie&) const = default;
};

/// The part of a file in which the image lies.
struct Slice {
    std::string type = "storage";
    std::uint64_t offset = 0;
    ByteCount size;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Slice&) const = default;
};

/// Helper that holds SCSI persistent reservations.
struct Reservations {
    std::optional<bool> managed;
    std::optional<std::string> type, path, mode; ///< of its socket
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Reservations&) const = default;
};

/// Where an image's bytes are. Which members count depends on the type beside it (DiskType).
struct DiskSource {
    DiskSource(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    DiskSource(const DiskSource&);
    DiskSource(DiskSource&&) noexcept;
    DiskSource& operator=(const DiskSource&);
    DiskSource& operator=(DiskSource&&) noexcept;
    ~DiskSource();

    std::optional<std::string> file;           ///< file
    std::optional<std::string> fdgroup;        ///< file: descriptors that the client handed over
    std::optional<std::string> dev;            ///< block, vhostvdpa
    std::optional<std::string> dir;            ///< dir
    std::optional<std::string> protocol, name; ///< network: "nbd", "rbd", "iscsi", "https", ...
    std::optional<std::string> query;          ///< network: http(s)
    std::optional<bool> tls;                   ///< network
    std::optional<std::string> tls_hostname;   ///< network
    std::optional<std::string> pool, volume;   ///< volume
    std::optional<VolumeMode> mode;            ///< volume on iscsi
    std::optional<std::string> type;           ///< vhostuser "unix", nvme "pci"
    std::optional<std::string> path;           ///< vhostuser
    std::optional<unsigned> nvme_namespace;    ///< nvme
    std::optional<bool> managed;               ///< nvme
    std::optional<PciAddress> address;         ///< nvme
    std::optional<StartupPolicy> startup_policy;
    std::optional<unsigned> index; ///< live: "vda[1]" names it
    std::vector<SourceHost> hosts;
    std::optional<std::string> snapshot;    ///< rbd
    std::optional<std::string> config_file; ///< rbd
    std::optional<std::string> initiator;   ///< iscsi: IQN
    std::optional<bool> ssl_verify;
    std::vector<Cookie> cookies;
    std::optional<std::uint64_t> readahead;                   ///< bytes
    std::optional<std::uint64_t> timeout;                     ///< seconds
    std::optional<std::string> identity_user, identity_group; ///< nfs
    std::optional<Auth> auth;
    std::vector<Slice> slices;
    std::optional<Reservations> reservations;
    std::optional<Encryption> encryption;
    Reconnect reconnect;
    std::vector<Seclabel> seclabels;
    format::Rest rest;

    /// Nothing is in the drive: an empty CD-ROM.
    bool empty() const;
    /// What people call it: the path, device, or "pool/volume", "protocol:name"; "" when empty.
    std::string text() const;

    static const format::Schema& schema();
    bool operator==(const DiskSource&) const;
};

/// The image below; one without a type ends the chain on purpose.
struct BackingStore {
    std::optional<DiskType> type;
    std::optional<unsigned> index;     ///< live
    std::optional<std::string> format; ///< "raw", "qcow2", ...
    std::optional<ByteCount> metadata_cache;
    DiskSource source;
    std::vector<BackingStore> backing_store; ///< at most one
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BackingStore&) const = default;
};

enum class MirrorJob { copy, active_commit };
enum class MirrorReady { yes, abort, pivot };

/// Live: the copy that a block job is making.
struct DiskMirror {
    std::optional<DiskType> type;
    std::optional<std::string> file, file_format; ///< old form, beside type 'file'
    std::optional<MirrorJob> job;
    std::optional<MirrorReady> ready;
    std::optional<std::string> format;
    DiskSource source;
    std::vector<BackingStore> backing_store; ///< at most one
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DiskMirror&) const = default;
};

struct DiskTarget {
    std::string dev; ///< "vda"
    std::optional<DiskBus> bus;
    std::optional<Tray> tray;
    std::optional<OnOff> removable;
    std::optional<unsigned> rotation_rate; ///< rpm, 1 for SSD
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DiskTarget&) const = default;
};

/// Limits in bytes or operations a second; 0 is none.
struct IoTune {
    std::optional<std::uint64_t> total_bytes_sec, read_bytes_sec, write_bytes_sec;
    std::optional<std::uint64_t> total_iops_sec, read_iops_sec, write_iops_sec;
    std::optional<std::uint64_t> total_bytes_sec_max, read_bytes_sec_max, write_bytes_sec_max;
    std::optional<std::uint64_t> total_iops_sec_max, read_iops_sec_max, write_iops_sec_max;
    std::optional<std::uint64_t> size_iops_sec;
    std::optional<std::string> group_name;
    std::optional<std::uint64_t> total_bytes_sec_max_length, read_bytes_sec_max_length, write_bytes_sec_max_length;
    std::optional<std::uint64_t> total_iops_sec_max_length, read_iops_sec_max_length, write_iops_sec_max_length;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const IoTune&) const = default;
};

struct Disk {
    Disk(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Disk(const Disk&);
    Disk(Disk&&) noexcept;
    Disk& operator=(const Disk&);
    Disk& operator=(Disk&&) noexcept;
    ~Disk();

    DiskType type = DiskType::file;
    DiskDevice device = DiskDevice::disk;
    std::optional<std::string> model; ///< "virtio", "virtio-transitional", ...
    std::optional<bool> rawio;
    std::optional<SgIo> sgio;
    std::optional<SnapshotMode> snapshot;
    DiskDriver driver;
    std::optional<Auth> auth; ///< old place; see source.auth
    DiskSource source;
    std::vector<BackingStore> backing_store; ///< at most one
    std::optional<unsigned> cylinders, heads, sectors;
    std::optional<GeometryTranslation> translation;
    std::optional<unsigned> logical_block_size, physical_block_size, discard_granularity;
    std::optional<DiskMirror> mirror;
    DiskTarget target;
    IoTune iotune;
    bool readonly = false, shareable = false, transient = false;
    std::optional<bool> share_backing; ///< of a transient one
    std::optional<std::string> serial, wwn, vendor, product;
    std::optional<Encryption> encryption; ///< old place; see source.encryption
    std::optional<unsigned> boot_order;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Disk&) const;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::DiskType> =
    word_list("file", "block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa");
template <> inline constexpr auto words<model::DiskDevice> = word_list("disk", "cdrom", "floppy", "lun");
template <>
inline constexpr auto words<model::DiskBus> =
    word_list("ide", "fdc", "scsi", "virtio", "xen", "usb", "uml", "sata", "sd");
template <>
inline constexpr auto words<model::DiskCache> =
    word_list("default", "none", "writeback", "writethrough", "directsync", "unsafe");
template <> inline constexpr auto words<model::DiskIo> = word_list("threads", "native", "io_uring");
template <> inline constexpr auto words<model::DiskDiscard> = word_list("unmap", "ignore");
template <> inline constexpr auto words<model::DetectZeroes> = word_list("off", "on", "unmap");
template <> inline constexpr auto words<model::ErrorPolicy> = word_list("stop", "report", "ignore", "enospace");
template <> inline constexpr auto words<model::StartupPolicy> = word_list("mandatory", "requisite", "optional");
template <> inline constexpr auto words<model::SnapshotMode> = word_list("no", "internal", "external", "manual");
template <> inline constexpr auto words<model::Tray> = word_list("open", "closed");
template <> inline constexpr auto words<model::SgIo> = word_list("filtered", "unfiltered");
template <> inline constexpr auto words<model::GeometryTranslation> = word_list("auto", "none", "lba");
template <> inline constexpr auto words<model::HostTransport> = word_list("tcp", "unix", "rdma");
template <> inline constexpr auto words<model::VolumeMode> = word_list("host", "direct");
template <> inline constexpr auto words<model::MirrorJob> = word_list("copy", "active-commit");
template <> inline constexpr auto words<model::MirrorReady> = word_list("yes", "abort", "pivot");
} // namespace domus::format
