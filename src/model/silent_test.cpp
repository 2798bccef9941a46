// No field of a pool, volume, snapshot or secret is silent: each is refused by name (unsupported.cpp), or one of the lists
// below says why it is kept, or where its effect is shown. Nothing here runs programs, so that the lists are longer than
// those of domains (engine/qemu/silent_test.cpp) and networks (network/silent_test.cpp).
#include "model/samples.hpp"
#include "model/secret.hpp"
#include "model/silent_fields.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <gtest/gtest.h>

namespace domus::model {

namespace {

template <class T> Outcome outcome(const std::string& text) { return refused(format::from_xml<T>(text)); }

template <class T>
void expect_no_silent(const char* name, std::span<const FieldNote> kept, std::span<const FieldNote> elsewhere) {
    const SilentFields search(T::schema(), outcome<T>, {sample(name)});
    for (const auto& path : search.find({kept, elsewhere})) ADD_FAILURE() << path << SilentFields::help;
}

} // namespace

TEST(Pools, have_no_silent_field) {
    static constexpr auto kept = std::to_array<FieldNote>({
        {"pool/capacity", "what a dump tells"},
        {"pool/allocation", "what a dump tells"},
        {"pool/available", "what a dump tells"},
        {"pool/target/permissions/label",
         "what a dump of libvirt tells on a host with SELinux; libvirt does not set it either"},
        {"pool/source/vendor@name", "for people"},
        {"pool/source/product@name", "for people"},
    });
    static constexpr auto elsewhere = std::to_array<FieldNote>({
        {"pool/name", "tests/system/test_storage.py"},
        {"pool/uuid", "tests/system/test_storage.py"},
        {"pool@type", "tests/system/test_pool_definitions.py"},
        {"pool/source/host@*", "tests/system/test_iscsi_direct.py"},
        {"pool/source/device@path", "tests/system/test_pool_definitions.py"},
        {"pool/source/device@part_separator", "src/storage/kinds/disk.cpp: names of partitions"},
        {"pool/source/dir@path", "tests/system/test_pool_definitions.py"},
        {"pool/source/name", "tests/system/test_pool_zfs.py"},
        {"pool/source/adapter@type", "tests/system/test_cli_pool.py"},
        {"pool/source/adapter@name", "tests/system/test_cli_pool.py"},
        {"pool/source/initiator/iqn@name", "tests/system/test_iscsi_direct.py"},
        {"pool/source/format@type", "tests/system/test_pool_definitions.py"},
        {"pool/source/protocol@ver", "src/storage/kinds/network_filesystem.cpp: nfsvers of mount(8)"},
        {"pool/source/auth*", "tests/system/test_iscsi_direct.py, tests/servers/test_ceph_pools.py"},
        {"pool/target/path", "tests/system/test_storage.py"},
        {"pool/target/permissions/mode", "tests/system/test_pool_definitions.py"},
        {"pool/target/permissions/owner", "tests/system/test_pool_definitions.py"},
        {"pool/target/permissions/group", "tests/system/test_pool_definitions.py"},
        {"pool/refresh/volume@allocation", "tests/servers/test_ceph_pools.py"},
        {"pool/fs:mount_opts/fs:option@name",
         "src/storage/kinds/filesystem.cpp, network_filesystem.cpp: options of mount(8)"},
    });
    expect_no_silent<Pool>("pool-scsi.xml", kept, elsewhere);
}

TEST(Volumes, have_no_silent_field) {
    static constexpr auto kept = std::to_array<FieldNote>({
        {"volume@type", "what a dump tells"},
        {"volume/key", "what a dump tells"},
        {"volume/source*", "what a dump tells: the pool chooses the place"},
        {"volume/physical", "what a dump tells"},
        {"volume/target/path", "what a dump tells: the pool chooses the place"},
        {"volume/target/timestamps*", "what a dump tells"},
        {"volume/backingStore/timestamps*", "what a dump says about the image below"},
        {"volume/backingStore/permissions*", "what a dump says about the image below"},
        {"volume/target/permissions/label",
         "what a dump of libvirt tells on a host with SELinux; libvirt does not set it either"},
    });
    static constexpr auto elsewhere = std::to_array<FieldNote>({
        {"volume/name", "tests/system/test_storage.py"},
        {"volume/capacity", "tests/system/test_storage.py"},
        {"volume/allocation", "tests/system/test_volume_rules.py"},
        {"volume/target/format@type", "tests/system/test_volume_rules.py"},
        {"volume/target/permissions/mode", "tests/system/test_volume_rules.py"},
        {"volume/target/permissions/owner", "tests/system/test_volume_rules.py"},
        {"volume/target/permissions/group", "tests/system/test_volume_rules.py"},
        {"volume/target/encryption*", "tests/system/test_encrypted_volume.py"},
        {"volume/target/compat", "tests/system/test_storage.py"},
        {"volume/target/nocow", "tests/system/test_volume_rules.py"},
        {"volume/target/clusterSize", "tests/system/test_storage.py"},
        {"volume/target/features/lazy_refcounts", "tests/system/test_storage.py"},
        {"volume/target/features/extended_l2", "tests/system/test_storage.py"},
        {"volume/backingStore/path", "tests/system/test_storage.py"},
        {"volume/backingStore/format@type", "tests/system/test_volume_rules.py"},
    });
    expect_no_silent<Volume>("vol-every-element.xml", kept, elsewhere);
}

TEST(Snapshots, have_no_silent_field) {
    static constexpr auto kept = std::to_array<FieldNote>({
        {"domainsnapshot/description", "for people"},
        {"domainsnapshot/state", "what a dump tells; a redefinition counts it"},
        {"domainsnapshot/creationTime", "what a dump tells; a redefinition counts it"},
        {"domainsnapshot/parent/name", "what a dump tells; a redefinition counts it"},
        {"domainsnapshot/active", "of our own files: whether the domain stands on it"},
        {"domainsnapshot/domain*", "its fields are the domain's, judged where it is reverted to"},
        {"domainsnapshot/inactiveDomain*", "its fields are the domain's, judged where it is reverted to"},
    });
    static constexpr auto elsewhere = std::to_array<FieldNote>({
        {"domainsnapshot/name", "tests/system/test_snapshot.py"},
        {"domainsnapshot/memory@*", "src/compute/snapshots/snapshot_test.cpp: memory in a file of its own is refused"},
        {"domainsnapshot/disks/disk@name", "tests/system/test_snapshot.py"},
        {"domainsnapshot/disks/disk@snapshot", "tests/system/test_snapshot.py"},
        {"domainsnapshot/disks/disk/source*",
         "src/compute/snapshots/snapshot_test.cpp: images of their own are refused"},
    });
    expect_no_silent<Snapshot>("snapshot.xml", kept, elsewhere);
}

TEST(Secrets, have_no_silent_field) {
    static constexpr auto kept = std::to_array<FieldNote>({{"secret/description", "for people"}});
    static constexpr auto elsewhere = std::to_array<FieldNote>({
        {"secret@*", "tests/system/test_secret.py"},
        {"secret/uuid", "tests/system/test_secret.py"},
        {"secret/usage*", "tests/system/test_secret.py"},
    });
    expect_no_silent<Secret>("secret-volume.xml", kept, elsewhere);
}

} // namespace domus::model
