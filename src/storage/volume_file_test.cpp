// A volume that was deleted stays so, and whoever cannot make sure of it is told.
#include "storage/volume_file.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

constexpr uid_t nobody = 65534;

struct RemovedVolume : FolderTest {
    ~RemovedVolume() override { ::chmod(folder.c_str(), 0700); }
};

/// The refusal's exit code in a child that is an ordinary user.
int refused_to_a_user(const std::string& path) {
    const int child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && ::setresuid(nobody, nobody, nobody) < 0) ::_exit(2);
        try {
            remove_volume_file(path);
        } catch (const Error&) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_F(RemovedVolume, is_a_file_a_link_or_an_empty_folder) {
    write_file_durably(folder / "file", "x", 0600);
    fs::create_symlink("/nowhere", folder / "link");
    fs::create_directory(folder / "empty");
    fs::create_directories(folder / "full/inside");
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    for (const auto* name : {"file", "link", "empty"}) remove_volume_file(folder / name);
    for (const auto* name : {"file", "full", "pipe"}) EXPECT_THROW(remove_volume_file(folder / name), Error) << name;
    EXPECT_EQ(names_in(folder), (std::vector<std::string>{"full", "pipe"}));
}

TEST_F(RemovedVolume, is_not_said_to_be_gone_when_its_folder_cannot_be_synced) {
    write_file_durably(folder / "one", "x", 0600);
    write_file_durably(folder / "two", "x", 0600);
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown(folder.c_str(), nobody, nobody), 0);
    }
    EXPECT_EQ(refused_to_a_user(folder / "one"), 0);
    ASSERT_EQ(::chmod(folder.c_str(), 0300), 0); // files come and go, but the folder cannot be opened
    EXPECT_EQ(refused_to_a_user(folder / "two"), 1);
}

} // namespace domus::storage
