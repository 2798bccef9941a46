#include "compute/memory/save_image.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

using namespace domus;
using namespace domus::compute;

namespace {

class SaveImageFile : public testing::Test {
protected:
    void SetUp() override { std::filesystem::create_directory(folder_); }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string contents() const { return read_file(path_, 1u << 20); }

    const Credentials me_ = own_credentials();
    const std::filesystem::path folder_ = testing::TempDir() + "save-image-" + std::to_string(::getpid());
    const std::filesystem::path path_ = folder_ / "image";
};

/// As libvirt's daemon lays it out: XML with its NUL, then a cookie with its own, no room.
std::string foreign_image(const std::string& xml, const std::string& cookie, const std::string& stream) {
    SaveHeader header;
    header.data_length = static_cast<std::uint32_t>(xml.size() + 1 + cookie.size() + 1);
    header.cookie_offset = static_cast<std::uint32_t>(xml.size() + 1);
    return encode(header) + xml + '\0' + cookie + '\0' + stream;
}

void set_number(std::string& bytes, std::size_t index, std::uint32_t value) {
    std::memcpy(bytes.data() + 16 + 4 * index, &value, sizeof value);
}

} // namespace

TEST(SaveHeader, has_the_layout_of_libvirt) {
    SaveHeader header;
    header.data_length = 0x010203;
    header.cookie_offset = 7;
    const auto bytes = encode(header);
    ASSERT_EQ(bytes.size(), 92u);
    EXPECT_EQ(bytes.substr(0, 16), "LibvirtQemudSave");
    EXPECT_EQ(bytes.substr(16, 8), std::string("\2\0\0\0\3\2\1\0", 8));
    EXPECT_EQ(bytes.substr(24, 12), std::string("\1\0\0\0\0\0\0\0\7\0\0\0", 12));
    EXPECT_EQ(bytes.substr(36), std::string(56, '\0'));
    EXPECT_EQ(decode_save_header(bytes, 1u << 30, "x"), header);
}

TEST(SaveHeader, is_judged_before_its_sizes_cost_anything) {
    SaveHeader header;
    header.data_length = 1000;
    const auto good = encode(header);
    EXPECT_EQ(decode_save_header(good, 1092, "x"), header);
    const auto refused = [](std::string bytes, std::uint64_t size) {
        EXPECT_THROW(decode_save_header(bytes, size, "x"), Error);
    };
    refused(good.substr(0, 91), 91);
    refused(good, 1091);
    refused("X" + good.substr(1), 1092);
    for (const auto& [index, value] :
         {std::pair{0u, 3u}, {0u, 0u}, {1u, 0u}, {1u, 0xffffffffu}, {4u, 1000u}, {4u, 0xffffffffu}}) {
        auto bytes = good;
        set_number(bytes, index, value);
        refused(bytes, std::uint64_t{1} << 40);
    }
}

TEST_F(SaveImageFile, is_unfinished_until_it_is_complete) {
    auto file = SaveFile::create(me_, path_, "<domain/>", true);
    EXPECT_TRUE(is_unfinished_save(path_));
    EXPECT_THROW(open_save_image(me_, path_), Error);
    write_all(file.fd().get(), "stream", path_);
    file.complete();
    EXPECT_FALSE(is_unfinished_save(path_));
    EXPECT_EQ(contents().size() % 4096, 6u);
}

TEST_F(SaveImageFile, is_read_to_where_the_stream_begins) {
    {
        auto file = SaveFile::create(me_, path_, "<domain/>", false);
        write_all(file.fd().get(), "stream", path_);
        file.complete();
    }
    const auto image = open_save_image(me_, path_);
    EXPECT_EQ(image.xml, "<domain/>");
    EXPECT_FALSE(image.header.was_running);
    char bytes[10]{};
    EXPECT_EQ(::read(image.fd.get(), bytes, sizeof bytes), 6);
    EXPECT_STREQ(bytes, "stream");
}

TEST_F(SaveImageFile, of_libvirt_is_read_and_changed_with_its_cookie) {
    write_file_durably(path_, foreign_image("<domain>long</domain>", "<cookie/>", "stream"), 0600);
    EXPECT_EQ(open_save_image(me_, path_).xml, "<domain>long</domain>");
    rewrite_save_image(me_, path_, "<domain/>", false);
    const auto image = open_save_image(me_, path_);
    EXPECT_EQ(image.xml, "<domain/>");
    EXPECT_FALSE(image.header.was_running);
    const auto bytes = contents();
    EXPECT_EQ(bytes.substr(92 + image.header.cookie_offset, 10), std::string("<cookie/>\0", 10));
    EXPECT_TRUE(bytes.ends_with("stream"));
    EXPECT_THROW(rewrite_save_image(me_, path_, std::string(100, 'x'), true), Error);
    EXPECT_EQ(contents(), bytes);
}

TEST_F(SaveImageFile, is_not_taken_from_who_uses_it) {
    const auto file = SaveFile::create(me_, path_, "<domain/>", true);
    try {
        SaveFile::create(me_, path_, "<other/>", true);
        FAIL() << "it was taken";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::resource_busy);
    }
    EXPECT_NE(contents().find("<domain/>"), std::string::npos);
}

TEST_F(SaveImageFile, goes_with_a_save_that_failed_but_not_another_file_of_its_name) {
    auto file = SaveFile::create(me_, path_, "<domain/>", true);
    file.discard();
    EXPECT_FALSE(std::filesystem::exists(path_));
    auto second = SaveFile::create(me_, path_, "<domain/>", true);
    replace_file(path_, "somebody else's", 0600);
    second.discard();
    EXPECT_EQ(contents(), "somebody else's");
}

TEST_F(SaveImageFile, is_a_plain_file) {
    EXPECT_THROW(SaveFile::create(me_, "/dev/null", "<domain/>", true), Error);
    EXPECT_THROW(open_save_image(me_, "/dev/zero"), Error);
    EXPECT_THROW(open_save_image(me_, folder_), Error);
}

TEST_F(SaveImageFile, only_what_a_cut_off_save_has_made_is_removed) {
    const auto left = SaveFile::create(me_, path_, "<domain/>", true);
    EXPECT_EQ(look_at_save(path_, left.id()), SaveLeft::unfinished);
    std::filesystem::rename(path_, folder_ / "aside");
    EXPECT_EQ(look_at_save(path_, left.id()), SaveLeft::other) << "nothing is there";
    const auto another = SaveFile::create(me_, path_, "<domain/>", true);
    EXPECT_EQ(look_at_save(path_, left.id()), SaveLeft::other);
    remove_unfinished_save(path_, left.id());
    remove_unfinished_save(path_, {});
    EXPECT_TRUE(std::filesystem::exists(path_));
    remove_unfinished_save(path_, another.id());
    EXPECT_FALSE(std::filesystem::exists(path_));
    auto whole = SaveFile::create(me_, path_, "<domain/>", true);
    whole.complete();
    EXPECT_EQ(look_at_save(path_, whole.id()), SaveLeft::complete);
    remove_unfinished_save(path_, whole.id());
    EXPECT_TRUE(std::filesystem::exists(path_));
}
