// Each format as the real qemu-img writes it.
#include "image/test_images.hpp"

#include "base/error.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>

#include <deque>
#include <sstream>

namespace domus::image {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t mib = 1u << 20;
constexpr std::string_view secret = "--object secret,id=key,data=letmein";

class Formats : public Images {
public:
    /// What qemu-img says of it.
    const boost::json::object& asked(const std::string& name) {
        shell("qemu-img info --output=json " + name + " >" + name + ".json");
        std::stringstream text;
        text << std::ifstream(path(name + ".json")).rdbuf();
        return answers_.emplace_back(boost::json::parse(text.str()).as_object());
    }

    /// Read as QEMU reads it. `whole`: in one file, so that the header tells the size of clusters.
    Header as_qemu(const std::string& name, bool whole = true) {
        const auto& theirs = asked(name);
        auto header = probe(name);
        EXPECT_EQ(header.format, theirs.at("format").as_string());
        EXPECT_EQ(header.virtual_size.bytes, theirs.at("virtual-size").to_number<std::uint64_t>());
        if (const auto* cluster = theirs.if_contains("cluster-size"); cluster && whole) {
            EXPECT_EQ(header.cluster_size.bytes, cluster->to_number<std::uint64_t>());
        }
        return header;
    }

    /// Again where qemu-img could not measure how fast the host is, as happens on a busy one.
    void create_encrypted(const std::string& arguments) const {
        const auto once = fmt::format("qemu-img create -q {} {}", secret, arguments);
        shell(fmt::format("n=0; until {}; do n=$((n + 1)); [ $n -lt 20 ] || exit 1; done", once));
    }

private:
    std::deque<boost::json::object> answers_;
};

TEST_F(Formats, raw) {
    create("-f raw disk 3M");
    EXPECT_EQ(as_qemu("disk").virtual_size.bytes, 3 * mib);
    create("-f raw empty 0");
    EXPECT_EQ(as_qemu("empty").virtual_size.bytes, 0);
}

TEST_F(Formats, qcow2_as_it_is_made_today) {
    create("-f qcow2 disk 10G");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.version, 3);
    EXPECT_EQ(header.refcount_bits, 16);
    EXPECT_EQ(header.compression, "zlib");
    EXPECT_FALSE(header.lazy_refcounts || header.extended_l2 || header.dirty || header.corrupt || header.encrypted());
    EXPECT_FALSE(header.backing_file || header.data_file);
    EXPECT_THAT(header.snapshots, IsEmpty());
}

TEST_F(Formats, qcow2_of_version_2_with_a_backing_file) {
    create("-f raw base 1M && qemu-img create -q -f qcow2 -o compat=0.10,cluster_size=4k -b base -F raw disk 5M");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.version, 2);
    EXPECT_EQ(header.backing_file, "base");
    EXPECT_EQ(header.backing_format, "raw");
}

TEST_F(Formats, qcow2_with_a_backing_file_whose_format_nobody_names) {
    create("-f qcow2 disk 1M && qemu-img rebase -u -F raw -b /etc/shadow disk");
    put("disk", 112, 0x12345678, 4); // the extension is another now
    const auto header = probe("disk");
    EXPECT_EQ(header.backing_file, "/etc/shadow");
    EXPECT_EQ(header.backing_format, std::nullopt);
}

TEST_F(Formats, qcow2_with_all_its_options) {
    create(
        "-f qcow2 -o cluster_size=64k,lazy_refcounts=on,extended_l2=on,compression_type=zstd,refcount_bits=64 disk 1G");
    const auto header = as_qemu("disk");
    EXPECT_TRUE(header.lazy_refcounts && header.extended_l2);
    EXPECT_EQ(header.compression, "zstd");
    EXPECT_EQ(header.refcount_bits, 64);
}

TEST_F(Formats, qcow2_with_its_contents_elsewhere) {
    create("-f qcow2 -o data_file=contents,data_file_raw=on disk 1M");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.data_file, "contents");
    EXPECT_TRUE(header.data_file_raw);
}

TEST_F(Formats, qcow2_with_snapshots) {
    create("-f qcow2 disk 2M && qemu-img snapshot -c first disk && qemu-img resize -q disk 4M "
           "&& qemu-img snapshot -c 'the second' disk");
    const auto header = as_qemu("disk");
    ASSERT_EQ(header.snapshots.size(), 2);
    const auto& [first, second] = std::tie(header.snapshots[0], header.snapshots[1]);
    EXPECT_EQ(first.id, "1");
    EXPECT_EQ(first.name, "first");
    EXPECT_EQ(first.disk_size->bytes, 2 * mib);
    EXPECT_EQ(first.vm_state_size, 0);
    EXPECT_EQ(second.name, "the second");
    EXPECT_EQ(second.disk_size->bytes, 4 * mib);
    const auto& theirs = asked("disk").at("snapshots").as_array()[1].as_object();
    EXPECT_EQ(second.seconds, theirs.at("date-sec").to_number<std::uint32_t>());
    EXPECT_EQ(second.nanoseconds, theirs.at("date-nsec").to_number<std::uint32_t>());
}

TEST_F(Formats, qcow2_with_bitmaps) {
    create("-f qcow2 disk 2M && qemu-img bitmap --add disk day && qemu-img bitmap --add -g 128k --disable disk week");
    const auto header = as_qemu("disk");
    ASSERT_EQ(header.bitmaps.size(), 2);
    EXPECT_EQ(header.bitmaps[0].name, "day");
    EXPECT_EQ(header.bitmaps[0].granularity, 65536);
    EXPECT_TRUE(header.bitmaps[0].automatic);
    EXPECT_EQ(header.bitmaps[1].name, "week");
    EXPECT_EQ(header.bitmaps[1].granularity, 131072);
    EXPECT_FALSE(header.bitmaps[1].automatic || header.bitmaps[1].in_use);
}

TEST_F(Formats, qcow2_encrypted) {
    create_encrypted("-f qcow2 -o encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10 disk 1M");
    const auto header = as_qemu("disk");
    ASSERT_TRUE(header.encrypted());
    EXPECT_EQ(header.encryption->method, "luks");
    EXPECT_EQ(header.encryption->cipher, "aes-256");
    EXPECT_EQ(header.encryption->mode, "xts");
    EXPECT_EQ(header.encryption->vector, "plain64");
    EXPECT_EQ(header.encryption->hash, "sha256");
    ASSERT_EQ(header.encryption->slots.size(), 8);
    EXPECT_TRUE(header.encryption->slots[0].active);
    EXPECT_FALSE(header.encryption->slots[1].active);
    const auto& theirs = asked("disk").at("format-specific").at("data").at("encrypt");
    EXPECT_EQ(header.encryption->uuid, theirs.at("uuid").as_string());
    EXPECT_EQ(header.encryption->slots[0].iterations, theirs.at("slots").at(0).at("iters").to_number<std::uint32_t>());
}

TEST_F(Formats, luks) {
    create_encrypted("-f luks -o key-secret=key,iter-time=10,cipher-alg=aes-128,cipher-mode=cbc,"
                     "ivgen-alg=essiv,ivgen-hash-alg=sha256 disk 3M");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.encryption->cipher, "aes-128");
    EXPECT_EQ(header.encryption->mode, "cbc");
    EXPECT_EQ(header.encryption->vector, "essiv:sha256");
    const auto& theirs = asked("disk").at("format-specific").at("data");
    EXPECT_EQ(header.encryption->payload_offset, theirs.at("payload-offset").to_number<std::uint64_t>());
    EXPECT_EQ(header.encryption->key_iterations, theirs.at("master-key-iters").to_number<std::uint32_t>());
}

TEST_F(Formats, luks_of_version_2) {
    write("disk", 0, {"LUKS\xba\xbe\0\2", 8});
    put("disk", 8, 16384, 8);
    write("disk", 72, "sha256");
    write("disk", 168, "11111111-2222-3333-4444-555555555555");
    write("disk", 4096,
          R"({"keyslots":{"0":{"type":"luks2","area":{"offset":"32768"}}},"segments":)"
          R"({"0":{"type":"crypt","offset":"65536","size":"dynamic","encryption":"aes-xts-plain64"}}})");
    shell("truncate -s 1114112 disk");
    const auto header = probe("disk");
    EXPECT_EQ(header.format, "luks");
    EXPECT_EQ(header.virtual_size.bytes, mib);
    EXPECT_EQ(header.encryption->method, "luks2");
    EXPECT_EQ(header.encryption->mode, "xts");
    EXPECT_EQ(header.encryption->vector, "plain64");
    ASSERT_EQ(header.encryption->slots.size(), 1);
    EXPECT_EQ(header.encryption->slots[0].offset, 32768);
}

TEST_F(Formats, vmdk_in_one_file) {
    create("-f vmdk disk 3G");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.subformat, "monolithicSparse");
    EXPECT_EQ(header.backing_file, std::nullopt);
    const auto& theirs = asked("disk").at("format-specific").at("data");
    EXPECT_EQ(header.content_id, theirs.at("cid").to_number<std::uint32_t>());
    EXPECT_EQ(header.parent_content_id, theirs.at("parent-cid").to_number<std::uint32_t>());
}

TEST_F(Formats, vmdk_in_many_files) {
    create("-f vmdk -o subformat=twoGbMaxExtentSparse disk.vmdk 3G");
    const auto header = as_qemu("disk.vmdk", false);
    ASSERT_EQ(header.extents.size(), 2);
    EXPECT_EQ(header.extents[0].file, "disk-s001.vmdk");
    EXPECT_EQ(header.extents[0].kind, "SPARSE");
    EXPECT_EQ(header.extents[1].size.bytes, 1024 * mib);
}

TEST_F(Formats, vmdk_flat_and_streamed) {
    create("-f vmdk -o subformat=monolithicFlat flat.vmdk 5M");
    const auto flat = as_qemu("flat.vmdk");
    EXPECT_EQ(flat.subformat, "monolithicFlat");
    ASSERT_EQ(flat.extents.size(), 1);
    EXPECT_EQ(flat.extents[0].kind, "FLAT");
    shell("qemu-img convert -f raw -O vmdk -o subformat=streamOptimized flat-flat.vmdk stream.vmdk");
    const auto stream = as_qemu("stream.vmdk");
    EXPECT_EQ(stream.subformat, "streamOptimized");
    EXPECT_TRUE(stream.extents.at(0).compressed);
}

TEST_F(Formats, vmdk_with_a_parent) {
    create("-f vmdk base.vmdk 5M && qemu-img create -q -f vmdk -b base.vmdk -F vmdk disk.vmdk");
    const auto header = as_qemu("disk.vmdk");
    EXPECT_EQ(header.backing_file, "base.vmdk");
    EXPECT_EQ(header.parent_content_id, as_qemu("base.vmdk").content_id);
}

TEST_F(Formats, vdi) {
    create("-f vdi disk 7M");
    EXPECT_EQ(as_qemu("disk").subformat, "dynamic");
    put_little("disk", 0x4c, 2, 4);
    EXPECT_EQ(as_qemu("disk").subformat, "fixed");
}

TEST_F(Formats, vhdx) {
    create("-f vhdx disk 40M && qemu-img create -q -f vhdx -o subformat=fixed full 8M");
    EXPECT_EQ(as_qemu("disk").subformat, "dynamic");
    EXPECT_FALSE(as_qemu("disk").dirty);
    EXPECT_EQ(as_qemu("full").subformat, "fixed");
}

TEST_F(Formats, vpc) {
    create("-f vpc disk 40M && qemu-img create -q -f vpc -o force_size=on exact 41M");
    EXPECT_EQ(as_qemu("disk").subformat, "dynamic");
    EXPECT_EQ(as_qemu("exact").virtual_size.bytes, 41 * mib);
}

TEST_F(Formats, vpc_of_fixed_size_is_known_where_it_is_named) {
    create("-f vpc -o subformat=fixed,force_size=on disk 2M");
    EXPECT_EQ(probe("disk").format, "raw"); // as QEMU takes it
    EXPECT_EQ(read("disk", "vpc").virtual_size.bytes, 2 * mib);
    EXPECT_EQ(read("disk", "vpc").subformat, "fixed");
}

TEST_F(Formats, qed_and_qcow) {
    create("-f qed base 9M && qemu-img create -q -f qed -b base -F raw disk && qemu-img create -q -f qcow old 9M");
    const auto header = as_qemu("disk");
    EXPECT_EQ(header.backing_file, "base");
    EXPECT_EQ(header.backing_format, "raw");
    EXPECT_EQ(as_qemu("old").version, 0);
}

TEST_F(Formats, iso) {
    write("disc", 32768, {"\1CD001\1\0", 8});
    write("disc", 32768 + 40, "DEBIAN 12                       ");
    shell("truncate -s 1M disc");
    const auto header = probe("disc");
    EXPECT_EQ(header.format, "iso");
    EXPECT_EQ(header.label, "DEBIAN 12");
    EXPECT_EQ(header.virtual_size.bytes, mib);
}

} // namespace

} // namespace domus::image
