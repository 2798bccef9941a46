#include "os/rotate.hpp"

#include "os/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace domus {

namespace fs = std::filesystem;

namespace {

class RotateTest : public ::testing::Test {
protected:
    RotateTest() {
        char name[] = "/tmp/domus-rotate-XXXXXX";
        folder_ = ::mkdtemp(name);
        writer_ = open_file(folder_ / "log", O_WRONLY | O_CREAT | O_APPEND);
        keeper_ = open_file(folder_ / "log", O_RDWR);
        place_ = open_file(folder_, O_RDONLY | O_DIRECTORY);
    }
    ~RotateTest() override { fs::remove_all(folder_); }

    void write(const std::string& text) { write_all(writer_.get(), text, "log"); }
    void turn(const Rotation& rotation) { rotate(keeper_.get(), place_.get(), "log", rotation); }
    std::string text(const std::string& name) { return read_file(folder_ / name, 1u << 20); }

    fs::path folder_;
    UniqueFd writer_, keeper_, place_;
};

} // namespace

TEST_F(RotateTest, the_writer_goes_on_at_the_start_of_the_same_file) {
    const Rotation rotation{.size = 10, .backups = 2};
    write("first\n");
    EXPECT_FALSE(needs_rotation(keeper_.get(), rotation));
    write("second\n");
    EXPECT_TRUE(needs_rotation(keeper_.get(), rotation));
    turn({.size = 100, .backups = 2});
    write("third\n");
    EXPECT_EQ(text("log"), "third\n");
    EXPECT_EQ(text("log.0"), "first\nsecond\n");
    struct stat info{};
    ::stat((folder_ / "log").c_str(), &info);
    EXPECT_LE(info.st_blocks, 8) << "there is a hole or the old blocks";
}

TEST_F(RotateTest, the_oldest_backup_goes) {
    for (const auto* round : {"1", "2", "3", "4"}) {
        write(round);
        turn({.size = 100, .backups = 3});
    }
    EXPECT_EQ(text("log.0") + text("log.1") + text("log.2") + text("log"), "432");
    EXPECT_FALSE(fs::exists(folder_ / "log.3"));
}

TEST_F(RotateTest, no_more_than_the_bound_is_kept_of_a_flood) {
    write(std::string(100'000, 'x') + "end");
    turn({.size = 1000, .backups = 1});
    EXPECT_EQ(text("log.0").size(), 1000u);
    EXPECT_TRUE(text("log.0").ends_with("end"));
}

TEST_F(RotateTest, without_backups_it_is_emptied) {
    write("text");
    turn({.size = 1, .backups = 0});
    EXPECT_EQ(text("log"), "");
    EXPECT_FALSE(fs::exists(folder_ / "log.0"));
    EXPECT_FALSE(needs_rotation(keeper_.get(), {.size = 0}));
}

TEST_F(RotateTest, a_link_that_lies_in_wait_is_not_followed) {
    replace_file(folder_ / "victim", "precious", 0644);
    fs::create_symlink(folder_ / "victim", folder_ / "log.0");
    write("text");
    turn({.size = 100, .backups = 1});
    EXPECT_EQ(text("victim"), "precious");
    EXPECT_FALSE(fs::is_symlink(folder_ / "log.0"));
    EXPECT_EQ(text("log.0"), "text");
}

TEST_F(RotateTest, it_is_emptied_even_where_no_backup_can_be_made) {
    fs::create_directory(folder_ / "log.0");
    write("text");
    EXPECT_THROW(turn({.size = 100, .backups = 1}), Error);
    EXPECT_EQ(text("log"), "");
}

} // namespace domus
