// Headers that a guest or a stranger may have written: each is refused with the name of the field, and costs nothing.
#include "image/test_images.hpp"

#include "base/error.hpp"
#include "image/chain.hpp"

#include <gmock/gmock.h>

namespace domus::image {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Hostile : public Images {
public:
    std::string refusal(const std::string& name, std::string_view format) const {
        try {
            (void)read(name, format);
            return "it was taken";
        } catch (const Error& error) {
            return error.message();
        }
    }

    /// A good qcow2 image in which one number is another.
    std::string qcow2_with(std::uint64_t at, std::uint64_t value, unsigned width) const {
        create("-f qcow2 changed 1M");
        put("changed", at, value, width);
        return refusal("changed", "qcow2");
    }
    std::string with(const std::string& format, std::uint64_t at, std::uint64_t value, unsigned width) const {
        create("-f " + format + " changed 1M");
        put_little("changed", at, value, width);
        return refusal("changed", format);
    }
};

TEST_F(Hostile, qcow2_with_impossible_numbers) {
    EXPECT_THAT(qcow2_with(4, 4, 4), HasSubstr("version 4"));
    EXPECT_THAT(qcow2_with(20, 77, 4), HasSubstr("cluster_bits is 77"));
    EXPECT_THAT(qcow2_with(24, ~0ull, 8), HasSubstr("size is 18446744073709551615"));
    EXPECT_THAT(qcow2_with(32, 3, 4), HasSubstr("crypt_method is 3"));
    EXPECT_THAT(qcow2_with(32, 2, 4), HasSubstr("without an encryption header"));
    EXPECT_THAT(qcow2_with(72, 1u << 9, 8), HasSubstr("incompatible features 0x200"));
    EXPECT_THAT(qcow2_with(72, 8, 8), HasSubstr("compression_type is 0"));
    EXPECT_THAT(qcow2_with(96, 7, 4), HasSubstr("refcount_order is 7"));
    EXPECT_THAT(qcow2_with(100, 0xfffffff8, 4), HasSubstr("header_length is 4294967288"));
    EXPECT_THAT(qcow2_with(116, 0xffffffff, 4), HasSubstr("beyond the first cluster")); // of an extension
}

TEST_F(Hostile, qcow2_with_a_backing_name_out_of_bounds) {
    create("-f qcow2 disk 1M && qemu-img rebase -u -F raw -b base disk");
    put("disk", 16, 1024, 4);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("backing_file_size is 1024"));
    put("disk", 16, 4, 4);
    put("disk", 8, ~0ull - 1, 8);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("outside the first cluster"));
}

TEST_F(Hostile, qcow2_with_endless_snapshots) {
    EXPECT_THAT(qcow2_with(60, 0xffffffff, 4), HasSubstr("nb_snapshots is 4294967295"));
    create("-f qcow2 disk 1M && truncate -s 1T disk"); // zeros to read, but for the size of each
    put("disk", 60, 65536, 4);
    put("disk", 64, 1u << 20, 8);
    for (int i = 0; i < 200; ++i) put("disk", (1u << 20) + 131112u * i + 12, 0xffffffff, 4);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("16 MiB that are read of one header"));
    put("disk", 64, ~0ull << 16, 8);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("the snapshot table lies beyond its end"));
}

TEST_F(Hostile, qcow2_with_impossible_bitmaps) {
    create("-f qcow2 disk 1M && qemu-img bitmap --add disk day");
    const auto extension = 112 + 8 + 384 + 8; // behind the table of features' names
    put("disk", extension, 0, 4);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("nb_bitmaps is 0"));
    put("disk", extension, 65535, 4);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("nb_bitmaps is 65535, more than it has"));
    put("disk", extension + 8, ~0ull, 8);
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("bitmap_directory_size is 18446744073709551615"));
}

TEST_F(Hostile, every_beginning_of_an_image_is_refused_or_read) {
    create("-f qcow2 disk 1M && qemu-img snapshot -c one disk && qemu-img bitmap --add disk day");
    for (int length = 0; length < 600; length += 7) {
        shell(fmt::format("head -c {} disk >part", length));
        EXPECT_THAT(refusal("part", "qcow2"), testing::AnyOf(HasSubstr("damaged"), HasSubstr("not in the format")));
    }
}

TEST_F(Hostile, other_formats_with_impossible_numbers) {
    EXPECT_THAT(with("qed", 4, 3, 4), HasSubstr("cluster_size is 3"));
    EXPECT_THAT(with("qed", 48, ~0ull, 8), HasSubstr("image_size is"));
    EXPECT_THAT(with("qed", 16, 1, 8), HasSubstr("backing_filename_size is 0"));
    EXPECT_THAT(with("vdi", 0x170, ~0ull, 8), HasSubstr("more than its 1 blocks hold"));
    EXPECT_THAT(with("vdi", 0x4c, 9, 4), HasSubstr("image_type is 9"));
    EXPECT_THAT(with("vmdk", 12, ~0ull, 8), HasSubstr("capacity is"));
    EXPECT_THAT(with("vmdk", 36, ~0ull, 8), HasSubstr("descriptorSize 18446744073709551615"));
    EXPECT_THAT(with("vmdk", 56, ~0ull, 8), HasSubstr("the stream is not whole"));
    EXPECT_THAT(with("vpc", 8, 1, 4), HasSubstr("checksum does not hold"));
}

TEST_F(Hostile, vhdx_that_does_not_add_up) {
    create("-f vhdx disk 8M");
    put("disk", 192 * 1024 + 100, 1, 4); // the first region table, of two
    EXPECT_THAT(refusal("disk", "vhdx"), HasSubstr("it was taken"));
    put("disk", 256 * 1024 + 100, 1, 4);
    EXPECT_THAT(refusal("disk", "vhdx"), HasSubstr("neither region table"));
    put("disk", 64 * 1024 + 100, 1, 4);
    put("disk", 128 * 1024 + 100, 1, 4);
    EXPECT_THAT(refusal("disk", "vhdx"), HasSubstr("neither header"));
}

TEST_F(Hostile, luks_with_absurd_sizes) {
    write("disk", 0, {"LUKS\xba\xbe\0\2", 8});
    put("disk", 8, 1ull << 60, 8);
    shell("truncate -s 1T disk");
    EXPECT_THAT(refusal("disk", "luks"), HasSubstr("hdr_size is 1152921504606846976"));
    put("disk", 8, 16384, 8);
    write("disk", 4096, std::string(12288, '['));
    EXPECT_THAT(refusal("disk", "luks"), HasSubstr("its JSON area is no object"));
    put("disk", 6, 9, 2);
    EXPECT_THAT(refusal("disk", "luks"), HasSubstr("version 9"));
}

TEST_F(Hostile, what_is_not_of_the_format_that_was_named) {
    create("-f raw disk 1M");
    EXPECT_THAT(refusal("disk", "qcow2"), HasSubstr("not in the format qcow2"));
    EXPECT_THAT(refusal("disk", "dmg"), HasSubstr("'dmg' are not read here"));
}

TEST_F(Hostile, what_is_damaged_is_told_in_a_list) {
    create("-f qcow2 disk 1M");
    put("disk", 20, 77, 4);
    EXPECT_THROW((void)probe("disk"), Error);
    const auto header = read_header(open("disk").get());
    EXPECT_EQ(header.format, "qcow2");
    EXPECT_TRUE(header.corrupt);
    EXPECT_EQ(header.virtual_size.bytes, std::filesystem::file_size(path("disk")));
}

// -- chains --

class Chains : public Hostile {
public:
    std::vector<std::string> opened;

    Chain follow(const std::string& name, const std::optional<std::string>& format = std::nullopt) {
        return read_chain(path(name), format, [&](const std::string& each) {
            opened.push_back(each);
            return open_image(each);
        });
    }
    std::string no_chain(const std::string& name) {
        try {
            (void)follow(name);
            return "it was taken";
        } catch (const Error& error) {
            return error.message();
        }
    }
};

TEST_F(Chains, are_followed_where_each_image_names_the_format) {
    create("-f raw base 1M && qemu-img create -q -f qcow2 -b base -F raw middle "
           "&& mkdir sub && qemu-img create -q -f qcow2 -b ../middle -F qcow2 sub/top");
    const auto chain = follow("sub/top");
    ASSERT_EQ(chain.links.size(), 3);
    EXPECT_EQ(chain.links[1].path, path("middle"));
    EXPECT_EQ(chain.links[2].header.format, "raw");
}

TEST_F(Chains, stop_at_a_backing_file_whose_format_nobody_names) {
    create("-f qcow2 disk 1M && qemu-img rebase -u -F raw -b /etc/shadow disk");
    put("disk", 112, 0x12345678, 4); // the extension is another now
    EXPECT_THAT(no_chain("disk"), HasSubstr("the format of backing image '/etc/shadow' of image"));
    EXPECT_THAT(opened, ElementsAre(path("disk")));
}

TEST_F(Chains, do_not_go_on_from_what_a_guest_wrote_into_a_raw_image) {
    create("-f qcow2 guest 1M && qemu-img rebase -u -F raw -b /etc/shadow guest "
           "&& qemu-img create -q -f qcow2 -b guest -F raw top");
    EXPECT_EQ(follow("top").links.size(), 2);
    EXPECT_EQ(follow("guest", "raw").links.size(), 1);
    for (const auto& each : opened) EXPECT_THAT(each, testing::StartsWith(path("")));
}

TEST_F(Chains, that_come_back_are_refused) {
    create("-f qcow2 one 1M && qemu-img rebase -u -F qcow2 -b two one && qemu-img create -q -f qcow2 two 1M "
           "&& qemu-img rebase -u -F qcow2 -b one two");
    EXPECT_THAT(no_chain("one"), HasSubstr("comes back to it"));
}

TEST_F(Chains, name_what_is_no_file) {
    create("-f qcow2 one 1M && qemu-img rebase -u -F raw -b nbd://host/disk one");
    EXPECT_EQ(follow("one").elsewhere, "nbd://host/disk");
    EXPECT_TRUE(is_elsewhere("json:{\"driver\":\"raw\"}"));
    EXPECT_FALSE(is_elsewhere("./nbd:disk"));
    EXPECT_FALSE(is_elsewhere("file:disk"));
    EXPECT_EQ(beside("/images/disk", "file:base"), "/images/base");
}

} // namespace

} // namespace domus::image
