// Storage: a pool, from which a volume is cut, and a volume, which a disk can use.
#pragma once

#include "format/xml.hpp"
#include "model/common.hpp"
#include "model/disk.hpp"

namespace domus::model {

struct Permissions {
    std::optional<std::string> mode; ///< octal: "0711"
    std::optional<int> owner, group; ///< -1 leaves it
    std::optional<std::string> label;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Permissions&) const = default;
};

struct SourceDevice {
    std::string path;
    std::optional<bool> part_separator;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SourceDevice&) const = default;
};

struct PoolHost {
    std::string name;
    std::optional<unsigned> port;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PoolHost&) const = default;
};

struct PoolAuth {
    std::string type; ///< "chap", "ceph"
    std::optional<std::string> username;
    SecretReference secret;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PoolAuth&) const = default;
};

/// SCSI or Fibre Channel adapter of the host.
struct PoolAdapter {
    std::optional<std::string> type; ///< "scsi_host", "fc_host"
    std::optional<std::string> name, parent, wwnn, wwpn;
    std::optional<bool> managed;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PoolAdapter&) const = default;
};

/// Where the pool's storage comes from. Which members count depends on the pool's type.
struct PoolSource {
    std::vector<PoolHost> hosts;
    std::vector<SourceDevice> devices;
    std::optional<std::string> dir;
    PoolAdapter adapter;
    std::optional<std::string> name; ///< volume group, Ceph pool, ...
    std::optional<std::string> initiator;
    std::optional<std::string> format;           ///< "nfs", "lvm2", "gpt", "ext4", ...
    std::optional<std::string> protocol_version; ///< of NFS
    std::optional<PoolAuth> auth;
    std::optional<std::string> vendor, product;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PoolSource&) const = default;
};

/// What a search for sources found.
struct PoolSources {
    std::vector<PoolSource> sources;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PoolSources&) const = default;
};

struct MountOption {
    std::string name;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MountOption&) const = default;
};

struct Pool {
    Pool(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Pool(const Pool&);
    Pool(Pool&&) noexcept;
    Pool& operator=(const Pool&);
    Pool& operator=(Pool&&) noexcept;
    ~Pool();

    std::string type; ///< one of pool_types (model/pool_types.hpp), a kind in src/storage/kinds
    std::string name;
    std::optional<Uuid> uuid;                                 ///< always there once defined
    std::optional<ByteCount> capacity, allocation, available; ///< live
    std::optional<bool> cow;
    PoolSource source;
    std::optional<std::string> target; ///< folder in which the volumes appear
    Permissions permissions;
    std::optional<std::string> refresh_allocation; ///< "default", "capacity"
    std::vector<MountOption> mount_options;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Pool&) const;
};

enum class VolumeType { file, block, dir, network, netdir, ploop };

struct Timestamps {
    std::optional<std::string> atime, mtime, ctime, btime; ///< "1795209161.085775090"
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Timestamps&) const = default;
};

struct VolumeTarget {
    std::optional<std::string> path;
    std::optional<std::string> format; ///< "raw", "qcow2", ...
    Permissions permissions;
    Timestamps timestamps;
    std::optional<Encryption> encryption;
    std::optional<std::string> compat; ///< qcow2: "0.10", "1.1"
    bool nocow = false;
    std::optional<ByteCount> cluster_size;
    bool lazy_refcounts = false, extended_l2 = false;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VolumeTarget&) const = default;
};

struct VolumeBackingStore {
    std::string path;
    std::optional<std::string> format;
    Permissions permissions;
    Timestamps timestamps;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VolumeBackingStore&) const = default;
};

struct Extent {
    std::uint64_t start = 0, end = 0; ///< bytes
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Extent&) const = default;
};

/// The parts of one device that make up the volume.
struct ExtentDevice {
    std::string path;
    std::vector<Extent> extents;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ExtentDevice&) const = default;
};

struct Volume {
    Volume(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Volume(const Volume&);
    Volume(Volume&&) noexcept;
    Volume& operator=(const Volume&);
    Volume& operator=(Volume&&) noexcept;
    ~Volume();

    std::optional<VolumeType> type; ///< live
    std::string name;
    std::optional<std::string> key; ///< live: names it on the whole host
    std::vector<ExtentDevice> devices;
    std::optional<ByteCount> capacity; ///< missing: that of the backing image
    std::optional<ByteCount> allocation, physical;
    VolumeTarget target;
    std::optional<VolumeBackingStore> backing_store;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Volume&) const;
};

/// Rules over several fields; adds each breach with its line and what to do. What a pool's type asks of its source is
/// judged by the kind itself (src/storage/kinds).
void check(const Pool& pool, format::Findings& findings);
void check(const Volume& volume, format::Findings& findings);

} // namespace domus::model

template <>
inline constexpr auto domus::format::words<domus::model::VolumeType> =
    domus::format::word_list("file", "block", "dir", "network", "netdir", "ploop");
