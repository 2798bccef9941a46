#include "model/storage.hpp"

#include "model/checks.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& Permissions::schema() {
    static const Schema table =
        Describe<Permissions>("permissions", "Who may do what with the file or folder.")
            .field("mode", &Permissions::mode, "octal: 0711")
            .field("owner", &Permissions::owner, "number of the user; -1 leaves it", keep_empty)
            .field("group", &Permissions::group, "number of the group; -1 leaves it", keep_empty)
            .field("label", &Permissions::label, "label of SELinux");
    return table;
}

const Schema& SourceDevice::schema() {
    static const Schema table = Describe<SourceDevice>("device", "A device that holds the pool.")
                                    .field("@path", &SourceDevice::path, "path, or name of an iSCSI target", required)
                                    .field("@part_separator", &SourceDevice::part_separator,
                                           "multipath: whether partitions have a 'p' in their names");
    return table;
}

const Schema& PoolHost::schema() {
    static const Schema table = Describe<PoolHost>("host", "A server that has the pool.")
                                    .field("@name", &PoolHost::name, "name or address", required)
                                    .field("@port", &PoolHost::port, "port");
    return table;
}

const Schema& PoolAuth::schema() {
    static const Schema table = Describe<PoolAuth>("auth", "Who enters the server.")
                                    .field("@type", &PoolAuth::type, "chap, ceph", required)
                                    .field("@username", &PoolAuth::username, "name of the user", never_empty)
                                    .field("secret", &PoolAuth::secret);
    return table;
}

const Schema& PoolAdapter::schema() {
    static const Schema table = Describe<PoolAdapter>("adapter", "An adapter of the host.")
                                    .field("@type", &PoolAdapter::type, "scsi_host, fc_host", never_empty)
                                    .field("@name", &PoolAdapter::name, "its name")
                                    .field("@parent", &PoolAdapter::parent, "fc_host: the adapter above")
                                    .field("@managed", &PoolAdapter::managed, "fc_host: whether the daemon deletes it")
                                    .field("@wwnn", &PoolAdapter::wwnn, "fc_host: name of the node", never_empty)
                                    .field("@wwpn", &PoolAdapter::wwpn, "fc_host: name of the port", never_empty);
    return table;
}

const Schema& PoolSource::schema() {
    static const Schema table =
        Describe<PoolSource>("source", "Where the storage comes from. What counts depends on the pool's type.")
            .keep(".")
            .field("host", &PoolSource::hosts)
            .field("device", &PoolSource::devices)
            .field("dir@path", &PoolSource::dir, "folder, or exported path of the server")
            .field("adapter", &PoolSource::adapter)
            .field("name", &PoolSource::name, "name of the volume group, Ceph pool, ...")
            .field("initiator/iqn@name", &PoolSource::initiator, "iscsi: our own name")
            .field("format@type", &PoolSource::format, "nfs, lvm2, gpt, ext4, ...")
            .field("protocol@ver", &PoolSource::protocol_version, "version of NFS")
            .field("auth", &PoolSource::auth)
            .field("vendor@name", &PoolSource::vendor, "maker of the storage")
            .field("product@name", &PoolSource::product, "name of the storage");
    return table;
}

const Schema& PoolSources::schema() {
    static const Schema table = Describe<PoolSources>("sources", "What a search for storage found.")
                                    .keep(".")
                                    .field("source", &PoolSources::sources);
    return table;
}

const Schema& MountOption::schema() {
    static const Schema table = Describe<MountOption>("fs:option", "An option of mount(8); nobody checks it.")
                                    .field("@name", &MountOption::name, "the option", required);
    return table;
}

Pool::Pool() = default;
Pool::Pool(const Pool&) = default;
Pool::Pool(Pool&&) noexcept = default;
Pool& Pool::operator=(const Pool&) = default;
Pool& Pool::operator=(Pool&&) noexcept = default;
Pool::~Pool() = default;
bool Pool::operator==(const Pool&) const = default;

const Schema& Pool::schema() {
    static const Schema table =
        Describe<Pool>("pool", "A storage pool.")
            .in_namespace("fs", "http://libvirt.org/schemas/storagepool/fs/1.0")
            .field("@type", &Pool::type, "kind of pool", required)
            .field("name", &Pool::name, "its name, unique on the host", required)
            .field("uuid", &Pool::uuid, "its identity; made at definition")
            .scaled("capacity", &Pool::capacity, "bytes", "bytes", "how much it holds", live_only)
            .scaled("allocation", &Pool::allocation, "bytes", "bytes", "how much is used", live_only)
            .scaled("available", &Pool::available, "bytes", "bytes", "how much is free", live_only)
            .field("features/cow@state", &Pool::cow, "whether files are copied on writing (btrfs)")
            .field("source", &Pool::source)
            .field("target/path", &Pool::target, "folder in which volumes appear")
            .field("target/permissions", &Pool::permissions)
            .field("refresh/volume@allocation", &Pool::refresh_allocation,
                   "how a volume's use is found: default, capacity")
            .field("fs:mount_opts/fs:option", &Pool::mount_options);
    return table;
}

const Schema& Timestamps::schema() {
    static const Schema table = Describe<Timestamps>("timestamps", "When the file was used, in seconds since 1970.")
                                    .field("atime", &Timestamps::atime, "read")
                                    .field("mtime", &Timestamps::mtime, "written")
                                    .field("ctime", &Timestamps::ctime, "its metadata changed")
                                    .field("btime", &Timestamps::btime, "made");
    return table;
}

const Schema& VolumeTarget::schema() {
    static const Schema table =
        Describe<VolumeTarget>("target", "The volume as a file or device of the host.")
            .field("path", &VolumeTarget::path, "its path")
            .field("format@type", &VolumeTarget::format, "format of the image: raw, qcow2, ...")
            .field("permissions", &VolumeTarget::permissions)
            .field("timestamps", &VolumeTarget::timestamps, "", live_only)
            .field("encryption", &VolumeTarget::encryption)
            .field("compat", &VolumeTarget::compat, "qcow2: oldest version that reads it: 0.10, 1.1")
            .flag("nocow", &VolumeTarget::nocow, "btrfs: the file is not copied on writing")
            .scaled("clusterSize", &VolumeTarget::cluster_size, "bytes", "B", "qcow2: size of clusters")
            .flag("features/lazy_refcounts", &VolumeTarget::lazy_refcounts, "qcow2: reference counts are written late")
            .flag("features/extended_l2", &VolumeTarget::extended_l2, "qcow2: clusters have subclusters");
    return table;
}

const Schema& VolumeBackingStore::schema() {
    static const Schema table = Describe<VolumeBackingStore>("backingStore", "The image below.")
                                    .field("path", &VolumeBackingStore::path, "its path; none: there is no image below")
                                    .field("format@type", &VolumeBackingStore::format, "its format")
                                    .field("permissions", &VolumeBackingStore::permissions)
                                    .field("timestamps", &VolumeBackingStore::timestamps, "", live_only);
    return table;
}

const Schema& Extent::schema() {
    static const Schema table = Describe<Extent>("extent", "A part of the device.")
                                    .field("@start", &Extent::start, "first byte", required)
                                    .field("@end", &Extent::end, "byte behind the last", required);
    return table;
}

const Schema& ExtentDevice::schema() {
    static const Schema table = Describe<ExtentDevice>("device", "A device that holds parts of the volume.")
                                    .field("@path", &ExtentDevice::path, "its path", required)
                                    .field("extent", &ExtentDevice::extents);
    return table;
}

Volume::Volume() = default;
Volume::Volume(const Volume&) = default;
Volume::Volume(Volume&&) noexcept = default;
Volume& Volume::operator=(const Volume&) = default;
Volume& Volume::operator=(Volume&&) noexcept = default;
Volume::~Volume() = default;
bool Volume::operator==(const Volume&) const = default;

const Schema& Volume::schema() {
    static const Schema table =
        Describe<Volume>("volume", "A volume of a pool.")
            .field("@type", &Volume::type, "what it is on the host", live_only | empty_is_absent)
            .field("name", &Volume::name, "its name in the pool", required)
            .field("key", &Volume::key, "names it on the whole host", live_only)
            .field("source/device", &Volume::devices)
            .scaled("capacity", &Volume::capacity, "bytes", "bytes", "size that the guest sees")
            .scaled("allocation", &Volume::allocation, "bytes", "bytes", "how much of it is taken")
            .scaled("physical", &Volume::physical, "bytes", "bytes", "size of the file", live_only)
            .field("target", &Volume::target)
            .field("backingStore", &Volume::backing_store);
    return table;
}

namespace {

constexpr std::size_t any_length = std::string::npos; // of volumes: what holds them says how long a name may be

/// Bits beyond 0777 are not for the files of guests; libvirt refuses them too.
void judge_permissions(const Permissions& permissions, checks::Report& report) {
    const auto& mode = permissions.mode;
    const auto digits = mode ? mode->find_first_not_of('0') : std::string::npos; // the first that counts
    if (mode
        && (mode->empty() || mode->find_first_not_of("01234567") != std::string::npos
            || (digits != std::string::npos && mode->size() - digits > 3)))
        report.add(permissions.rest, "the mode '{}' is not one of octal 0 to 0777; write it as 0711", *mode);
    for (const auto& [what, number] : {std::pair{"owner", permissions.owner}, std::pair{"group", permissions.group}})
        if (number && *number < -1)
            report.add(permissions.rest, "the <{}> {} is no number of a user or group", what, *number);
}

} // namespace

void check(const Pool& pool, format::Findings& findings) {
    checks::Report report(findings);
    checks::object_name(pool.name, "pool", pool.rest, report);
    judge_permissions(pool.permissions, report);
    if (pool.target && !pool.target->starts_with('/'))
        report.add(pool.rest, "the <path> '{}' of the <target> must begin with '/'", *pool.target);
    if (pool.refresh_allocation && *pool.refresh_allocation != "default" && *pool.refresh_allocation != "capacity")
        findings.push_back(
            {pool.rest.line,
             fmt::format("unknown storage pool volume refresh allocation type {}", *pool.refresh_allocation), true});
}

void check(const Volume& volume, format::Findings& findings) {
    checks::Report report(findings);
    checks::object_name(volume.name, "volume", volume.rest, report, any_length);
    judge_permissions(volume.target.permissions, report);
    if (!volume.capacity && !volume.backing_store)
        report.add(volume.rest, "the volume '{}' needs a <capacity>, or a <backingStore> that has one", volume.name);
}

} // namespace domus::model
