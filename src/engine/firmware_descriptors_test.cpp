#include "engine/firmware_descriptors.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include <unistd.h>

namespace domus::engine {
namespace {

/// Two folders of descriptors of our own making.
class Firmwares : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "firmwareXXXXXX";
        root_ = mkdtemp(pattern.data());
        write("share", "40-secure.json", descriptor("/f/secure.fd", R"("secure-boot","requires-smm","enrolled-keys")"));
        write("share", "60-plain.json", descriptor("/f/plain.fd", ""));
        write("share", "70-broken.json", "{");
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    static std::string descriptor(const std::string& code, const std::string& features) {
        return R"({"description":"x","interface-types":["uefi"],"mapping":{"device":"flash","executable":{"filename":")"
               + code
               + R"(","format":"raw"},"nvram-template":{"filename":"/f/vars.fd","format":"raw"}},"targets":[{"architecture":)"
                 R"("x86_64","machines":["pc-q35-*"]}],"features":[)"
               + features + "],\"tags\":[]}";
    }
    void write(const std::string& folder, const std::string& name, const std::string& text) {
        std::filesystem::create_directories(root_ / folder);
        std::ofstream(root_ / folder / name) << text;
    }
    std::vector<FirmwareDescriptor> read() { return read_firmware_descriptors({root_ / "share", root_ / "etc"}); }
    static FirmwareWish wish() { return {"x86_64", "pc-q35-7.2", {}, {}, false}; }

    std::filesystem::path root_;
};

TEST_F(Firmwares, are_read_in_order_of_their_names_and_broken_ones_left_out) {
    const auto all = read();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].code, "/f/secure.fd");
    EXPECT_EQ(all[1].variables, "/f/vars.fd");
}

TEST_F(Firmwares, the_first_that_fits_is_taken) {
    const auto all = read();
    EXPECT_EQ(find_firmware(all, wish())->code, "/f/secure.fd");
    auto plain = wish();
    plain.secure_boot = false;
    EXPECT_EQ(find_firmware(all, plain)->code, "/f/plain.fd");
    auto no_smm = wish();
    no_smm.smm_refused = true;
    EXPECT_EQ(find_firmware(all, no_smm)->code, "/f/plain.fd");
    auto pc = wish();
    pc.machine = "pc-i440fx-7.2";
    EXPECT_EQ(find_firmware(all, pc), nullptr);
}

TEST_F(Firmwares, an_empty_file_of_a_later_folder_takes_one_away) {
    write("etc", "40-secure.json", "");
    EXPECT_EQ(find_firmware(read(), wish())->code, "/f/plain.fd");
}

} // namespace
} // namespace domus::engine
