// A save over an older file: that one is as it was until the new one is whole, whatever happens in between.
#include "compute/memory/save_beside.hpp"

#include "base/error.hpp"
#include "compute/memory/save_image.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr uid_t another_user = 65534;

struct SaveOver : FolderTest {
    SaveOver() {
        path = folder / "image";
        save("older");
    }

    SaveFile begin(const Credentials& caller = own_credentials()) const {
        return SaveFile::create(caller, path, "<domain/>", true);
    }
    void save(std::string_view stream) const {
        auto file = begin();
        write_all(file.fd().get(), stream, path);
        file.complete();
    }
    std::string contents() const { return read_file(path, 1u << 20); }
    bool is_older() const {
        return contents().ends_with("older") && open_save_image(own_credentials(), path).xml == "<domain/>";
    }
    std::vector<std::string> names() const { return names_in(folder); }
    void give_away(const fs::path& what, mode_t mode) const {
        ASSERT_EQ(::chown(what.c_str(), another_user, another_user), 0);
        ASSERT_EQ(::chmod(what.c_str(), mode), 0);
    }

    const Credentials other{another_user, another_user, 0, {}};
    fs::path path;
};

using Listing = std::vector<std::string>;

} // namespace

TEST_F(SaveOver, an_older_one_keeps_it_until_the_new_one_is_whole) {
    ::chmod(path.c_str(), 0640);
    auto file = begin();
    EXPECT_EQ(names(), (Listing{"image", "image.unfinished"}));
    write_all(file.fd().get(), "newer", path);
    EXPECT_TRUE(contents().ends_with("older"));
    file.complete();
    EXPECT_EQ(names(), Listing{"image"});
    EXPECT_TRUE(contents().ends_with("newer"));
    EXPECT_EQ(look_at_save(path, file.id()), SaveLeft::complete);
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640u);
    file.discard();
    EXPECT_EQ(names(), Listing{"image"}) << "there is nothing else any more";
}

TEST_F(SaveOver, an_older_one_leaves_it_when_it_fails) {
    {
        auto file = begin();
        write_all(file.fd().get(), "newer", path);
        file.discard();
    }
    EXPECT_EQ(names(), Listing{"image"});
    EXPECT_TRUE(is_older());
}

TEST_F(SaveOver, an_older_one_is_not_begun_twice) {
    const auto file = begin();
    EXPECT_THROW((void)begin(), Error);
    EXPECT_EQ(names(), (Listing{"image", "image.unfinished"}));
}

TEST_F(SaveOver, a_file_without_contents_takes_that) {
    ASSERT_EQ(::truncate(path.c_str(), 0), 0);
    const auto file = begin();
    EXPECT_EQ(names(), Listing{"image"});
    EXPECT_TRUE(file.beside().empty());
}

TEST_F(SaveOver, an_older_one_removes_what_a_kill_has_left_and_nothing_that_is_in_use) {
    {
        const auto killed = begin();
    }
    EXPECT_EQ(names(), (Listing{"image", "image.unfinished"}));
    UniqueFd writer;
    {
        const auto again = begin();
        EXPECT_EQ(names(), (Listing{"image", "image.unfinished"}));
        writer = duplicate(again.fd().get()); // QEMU goes on without a daemon
    }
    const auto file = begin();
    EXPECT_EQ(names(), (Listing{"image", "image.unfinished", "image.unfinished-2"}));
    EXPECT_EQ(file.beside(), folder / "image.unfinished-2");
}

TEST_F(SaveOver, an_older_one_keeps_other_files_of_those_names) {
    for (const auto* name : {"image.unfinished", "image.unfinished-2"}) write_file_durably(folder / name, "mine", 0600);
    save("newer");
    EXPECT_TRUE(contents().ends_with("newer"));
    EXPECT_EQ(names(), (Listing{"image", "image.unfinished", "image.unfinished-2"}));
    EXPECT_EQ(read_file(folder / "image.unfinished", 10), "mine");
}

TEST_F(SaveOver, an_older_one_gives_way_to_who_has_put_another_in_its_place) {
    auto file = begin();
    fs::rename(path, folder / "aside");
    write_file_durably(path, "somebody's", 0600);
    EXPECT_THROW(file.complete(), Error);
    file.discard();
    EXPECT_EQ(contents(), "somebody's");
    EXPECT_EQ(names(), (Listing{"aside", "image"}));
}

TEST_F(SaveOver, an_older_one_is_found_behind_a_link) {
    fs::create_directory(folder / "other");
    fs::rename(path, folder / "other/image");
    fs::create_symlink("other/image", path);
    save("newer");
    EXPECT_TRUE(fs::is_symlink(path));
    EXPECT_TRUE(read_file(folder / "other/image", 1u << 20).ends_with("newer"));
    EXPECT_EQ(names_in(folder / "other"), Listing{"image"});
}

TEST_F(SaveOver, an_older_one_is_cut_off_and_the_next_daemon_removes_it) {
    auto file = begin();
    const auto beside = file.beside();
    remove_save_beside(beside, {});
    remove_save_beside(beside, {file.id().device, file.id().inode + 1});
    EXPECT_TRUE(fs::exists(beside));
    ASSERT_EQ(::pwrite(file.fd().get(), "LibvirtQemudSave", 16, 0), 16); // its last act
    EXPECT_EQ(look_at_save(path, file.id()), SaveLeft::other);
    remove_save_beside(beside, file.id());
    EXPECT_EQ(names(), Listing{"image"});
    remove_save_beside(beside, file.id());
    remove_save_beside(folder / "gone/image.unfinished", file.id());
    EXPECT_TRUE(contents().ends_with("older"));
}

TEST_F(SaveOver, an_older_one_in_a_folder_of_ours_is_swept) {
    {
        const auto killed = begin();
    }
    sweep_saves_beside(folder);
    EXPECT_EQ(names(), Listing{"image"});
    {
        const auto file = begin();
        sweep_saves_beside(folder);
        EXPECT_EQ(names(), (Listing{"image", "image.unfinished"}));
    }
    write_file_durably(folder / "a.unfinished.save", "of the domain 'a.unfinished'", 0600);
    sweep_saves_beside(folder);
    sweep_saves_beside(folder / "gone");
    EXPECT_EQ(names(), (Listing{"a.unfinished.save", "image"}));
}

TEST_F(SaveOver, an_older_one_writes_over_it_where_the_caller_may_make_no_files) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
    give_away(path, 0600);
    auto file = begin(other);
    EXPECT_TRUE(file.beside().empty());
    file.complete();
    EXPECT_EQ(names(), Listing{"image"});
    EXPECT_FALSE(contents().ends_with("older"));
}

TEST_F(SaveOver, an_older_one_writes_over_it_where_the_sticky_bit_keeps_it) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(::chmod(folder.c_str(), 01777), 0);
    ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
    const auto file = begin(other);
    EXPECT_TRUE(file.beside().empty());
    EXPECT_EQ(names(), Listing{"image"});
}

TEST_F(SaveOver, an_older_one_has_the_callers_rights_and_keeps_the_owner) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    give_away(folder, 0700);
    give_away(path, 0600);
    for (const auto& caller : {other, own_credentials()}) {
        auto file = begin(caller);
        ASSERT_FALSE(file.beside().empty());
        struct stat info{};
        ASSERT_EQ(::stat(file.beside().c_str(), &info), 0);
        EXPECT_EQ(info.st_uid, caller.uid);
        file.complete();
        ASSERT_EQ(::stat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_uid, another_user);
    }
}

} // namespace domus::compute
