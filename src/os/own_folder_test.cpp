#include "os/own_folder.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus {

namespace fs = std::filesystem;

namespace {

constexpr uid_t somebody = 54321;

struct OwnFolder : FolderTest {
    /// What is said against the folder, or nothing.
    std::string complaint(const fs::path& path, const fs::path& from = "/") const {
        try {
            require_own_folder(path, 0700, from);
        } catch (const Error& error) {
            return error.text();
        }
        return {};
    }
    void give_away(const fs::path& path) const { ASSERT_EQ(::lchown(path.c_str(), somebody, somebody), 0); }
};

} // namespace

TEST_F(OwnFolder, is_made_with_what_is_above_it) {
    EXPECT_EQ(complaint(folder / "a/b/c"), "");
    struct stat info{};
    ASSERT_EQ(::stat((folder / "a/b/c").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    EXPECT_EQ(complaint(folder / "a/b/c"), "");
    require_own_folder(folder / "synced/b", 0700, folder, NewFolders::synced);
    EXPECT_TRUE(fs::is_directory(folder / "synced/b"));
}

TEST_F(OwnFolder, of_somebody_else_is_refused_wherever_it_stands_on_the_way) {
    if (::geteuid() != 0) GTEST_SKIP() << "giving a folder away needs root";
    require_own_folder(folder / "a/b/c", 0700);
    for (const auto* name : {"a", "a/b", "a/b/c"}) {
        give_away(folder / name);
        EXPECT_NE(complaint(folder / "a/b/c").find((folder / name).string() + "' belongs to uid 54321"),
                  std::string::npos)
            << complaint(folder / "a/b/c");
        ASSERT_EQ(::chown((folder / name).c_str(), 0, 0), 0);
    }
    EXPECT_EQ(complaint(folder / "a/b/c"), "");
    give_away(folder / "a");
    EXPECT_EQ(complaint(folder / "a/b/c", folder / "a/b"), "") << "what is above is not asked";
    EXPECT_NE(complaint(folder / "a/new"), "");
    EXPECT_FALSE(fs::exists(folder / "a/new")) << "it is made in a folder that is refused";
}

TEST_F(OwnFolder, that_others_may_write_to_is_refused) {
    require_own_folder(folder / "a/b", 0700);
    ::chmod((folder / "a").c_str(), 0777);
    EXPECT_NE(complaint(folder / "a/b").find("a' has mode 777: everybody may write to it"), std::string::npos)
        << complaint(folder / "a/b");
    ::chmod((folder / "a").c_str(), 01777);
    EXPECT_EQ(complaint(folder / "a/b"), "") << "nobody can rename what is ours in it";
    ::chmod((folder / "a/b").c_str(), 01777);
    EXPECT_NE(complaint(folder / "a/b"), "") << "but anybody can put something into it";
    if (::geteuid() != 0) return;
    ::chmod((folder / "a/b").c_str(), 0770);
    EXPECT_EQ(complaint(folder / "a/b"), "") << "the group is root's";
    ASSERT_EQ(::chown((folder / "a/b").c_str(), 0, somebody), 0);
    EXPECT_NE(complaint(folder / "a/b").find("group 54321 may write to it"), std::string::npos);
}

TEST_F(OwnFolder, is_reached_by_links_of_root_and_ours_alone) {
    require_own_folder(folder / "real/deep", 0700);
    fs::create_symlink(folder / "real", folder / "absolute");
    fs::create_symlink("./absolute/../real", folder / "relative");
    fs::create_symlink("loop", folder / "loop");
    EXPECT_EQ(complaint(folder / "absolute/deep"), "");
    EXPECT_EQ(complaint(folder / "relative/deep"), "");
    EXPECT_NE(complaint(folder / "loop/deep"), "");
    write_file_durably(folder / "file", "", 0600);
    EXPECT_NE(complaint(folder / "file/deep").find("is not a folder"), std::string::npos);
    if (::geteuid() != 0) return;
    give_away(folder / "absolute");
    EXPECT_NE(complaint(folder / "absolute/deep").find("absolute' is a link of uid 54321"), std::string::npos);
    give_away(folder / "real");
    EXPECT_NE(complaint(folder / "relative/deep"), "") << "where the link leads is looked at too";
}

TEST_F(OwnFolder, a_tree_is_removed_whole_and_nothing_that_its_links_name) {
    require_own_folder(folder / "kept", 0700);
    write_file_durably(folder / "kept/file", "", 0600);
    require_own_folder(folder / "tree/a/b", 0700);
    write_file_durably(folder / "tree/a/file", "", 0600);
    fs::create_directory_symlink(folder / "kept", folder / "tree/a/link");
    fs::create_directory_symlink(folder / "kept", folder / "link");
    remove_tree(folder, "tree");
    EXPECT_FALSE(fs::exists(folder / "tree"));
    remove_tree(folder, "tree");
    EXPECT_THROW(remove_tree(folder, "link"), Error);
    for (const auto* name : {"", ".", "..", "../kept", "kept/", "kept/file"})
        EXPECT_THROW(remove_tree(folder, name), Error) << name;
    EXPECT_TRUE(fs::exists(folder / "kept/file"));
}

TEST_F(OwnFolder, a_tree_without_bottom_is_an_error) {
    fs::path deep = folder / "tree";
    for (int i = 0; i < 150; ++i) deep /= "d";
    fs::create_directories(deep);
    EXPECT_THROW(remove_tree(folder, "tree"), Error);
}

TEST_F(OwnFolder, a_tree_of_which_a_part_is_removed_keeps_its_last_file) {
    fs::path deep = folder / "tree";
    for (int i = 0; i < 150; ++i) deep /= "d";
    fs::create_directories(deep);
    for (const auto* name : {"lock", "a", "z"}) write_file_durably(folder / "tree" / name, "", 0600);
    EXPECT_THROW(remove_tree(folder, "tree", "lock"), Error);
    EXPECT_TRUE(fs::exists(folder / "tree/lock"));
    fs::remove_all(folder / "tree/d");
    remove_tree(folder, "tree", "lock");
    EXPECT_FALSE(fs::exists(folder / "tree"));
    require_own_folder(folder / "bare", 0700);
    remove_tree(folder, "bare", "lock");
    EXPECT_FALSE(fs::exists(folder / "bare"));
}

} // namespace domus
