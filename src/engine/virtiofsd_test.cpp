#include "engine/virtiofsd.hpp"

#include "os/files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace domus::engine {
namespace {

namespace fs = std::filesystem;

struct Virtiofsd : testing::Test {
    void SetUp() override {
        std::string name = testing::TempDir() + "virtiofsd-XXXXXX";
        root = ::mkdtemp(name.data());
        for (const char* descriptors : {"share", "etc"}) fs::create_directory(root / descriptors);
    }
    void TearDown() override { fs::remove_all(root); }
    void describe(const std::string& file, const std::string& text) const {
        write_file_durably(root / file, text, 0644);
    }
    std::string found() const { return find_virtiofsd({root / "share", root / "etc", root / "nothing"}); }
    fs::path root;
};

TEST_F(Virtiofsd, is_the_first_program_for_folders_that_is_there) {
    EXPECT_EQ(found(), "");
    describe("share/10-gpu.json", R"({"type": "gpu", "binary": "/usr/bin/true"})");
    describe("share/20-broken.json", "{");
    describe("share/30-missing.json", R"({"type": "fs", "binary": "/no/such/program"})");
    describe("share/40-fs.json", R"({"type": "fs", "binary": "/usr/bin/true"})");
    EXPECT_EQ(found(), "/usr/bin/true");
    describe("etc/30-missing.json", R"({"type": "fs", "binary": "/usr/bin/false"})");
    EXPECT_EQ(found(), "/usr/bin/false");
    describe("etc/30-missing.json", "");
    describe("etc/40-fs.json", "");
    EXPECT_EQ(found(), "");
}

} // namespace
} // namespace domus::engine
