#include "os/files.hpp"
#include "os/test_folder.hpp"

#include "os/write_at.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <latch>
#include <thread>

namespace domus {

namespace fs = std::filesystem;

namespace {

struct Files : FolderTest {
    std::size_t entries() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {})); }
};

std::array<UniqueFd, 2> make_pipe() {
    int ends[2]{-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// What `work` threw in a child of this process, or nothing.
std::string in_another_process(const std::function<void()>& work) {
    auto ends = make_pipe();
    const int child = ::fork();
    if (child == 0) {
        try {
            work();
        } catch (const Error& error) {
            (void)!::write(ends[1].get(), error.text().data(), error.text().size());
        }
        ::_exit(0);
    }
    ends[1].reset();
    std::string said(1000, '\0');
    const auto size = ::read(ends[0].get(), said.data(), said.size());
    ::waitpid(child, nullptr, 0);
    said.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return said;
}

} // namespace

TEST_F(Files, a_durable_write_replaces_the_whole_file_and_leaves_nothing_else) {
    write_file_durably(folder / "a", "one", 0600);
    write_file_durably(folder / "a", "second", 0640);
    EXPECT_EQ(read_file(folder / "a", 100), "second");
    EXPECT_EQ(entries(), 1u);
    struct stat info{};
    ASSERT_EQ(::stat((folder / "a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST_F(Files, a_write_that_fails_leaves_no_temporary_file) {
    fs::create_directory(folder / "taken");
    fs::create_directory(folder / "taken/inside");
    EXPECT_THROW(write_file_durably(folder / "taken", "x", 0600), Error); // rename onto a folder that is not empty
    EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, what_cannot_be_synced_is_taken_back) {
    write_file_durably(folder / "old", "old", 0644);
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown(folder.c_str(), nobody, nobody), 0);
    }
    const auto refused = in_another_process([&] {
        if (::geteuid() == 0 && ::setresuid(nobody, nobody, nobody) < 0) ::_exit(1);
        ::chmod(folder.c_str(), 0300); // files come and go, but the folder cannot be opened
        std::string names;
        const auto attempt = [&](const char* name, const std::function<void()>& change) {
            try {
                change();
            } catch (const Error&) {
                names += name;
            }
        };
        attempt("replace ", [&] { write_file_durably(folder / "old", "new", 0644); });
        attempt("make ", [&] { write_file_durably(folder / "fresh", "new", 0644); });
        attempt("remove ", [&] { remove_durably(folder / "old"); });
        attempt("link ", [&] { make_link_durably("/nowhere", folder / "link"); });
        attempt("folder", [&] { ensure_directory_durably(folder / "new", 0700); });
        remove_if_possible(folder / "old");
        ::chmod(folder.c_str(), 0700);
        throw Error(ErrorCode::operation_failed, ErrorDomain::none, names);
    });
    EXPECT_EQ(refused, "replace make remove link folder");
    EXPECT_EQ(read_file(folder / "old", 100), "old");
    EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, reading_is_bounded) {
    write_file_durably(folder / "a", std::string(1000, 'x'), 0600);
    EXPECT_EQ(read_file(folder / "a", 1000).size(), 1000u);
    EXPECT_THROW(read_file(folder / "a", 999), Error);
}

TEST_F(Files, an_error_names_the_component_that_is_at_fault) {
    write_file_durably(folder / "plain", "", 0600);
    try {
        open_file(folder / "missing/deep/file", O_RDONLY);
        FAIL() << "was opened";
    } catch (const Error& error) {
        EXPECT_NE(error.text().find((folder / "missing").string() + "' does not exist"), std::string::npos)
            << error.text();
    }
    try {
        open_file(folder / "plain/file", O_RDONLY);
        FAIL() << "was opened";
    } catch (const Error& error) {
        EXPECT_NE(error.text().find("'" + (folder / "plain").string() + "' is not a folder"), std::string::npos)
            << error.text();
    }
}

TEST_F(Files, a_file_in_memory_is_read_and_changed_by_nobody) {
    const auto fd = make_memfd("secret", "text");
    char buffer[8]{};
    EXPECT_EQ(::read(fd.get(), buffer, sizeof buffer), 4);
    EXPECT_STREQ(buffer, "text");
    EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
    EXPECT_EQ(::ftruncate(fd.get(), 0), -1);
}

TEST_F(Files, a_file_is_copied_into_memory_whole) {
    std::string text(3'000'000, 'x');
    text += "end";
    write_file_durably(folder / "plain", text, 0600);
    const auto fd = copy_to_memfd("copy", open_file(folder / "plain", O_RDONLY).get());
    EXPECT_EQ(read_file("/proc/self/fd/" + std::to_string(fd.get()), 1u << 23), text);
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
    EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), -1);
}

TEST_F(Files, what_is_written_to_a_place_is_there_or_errno_says_why_not) {
    write_file_durably(folder / "plain", "a longer text", 0600);
    const auto fd = open_file(folder / "plain", O_RDWR);
    EXPECT_EQ(write_at(fd.get(), "text", 2), 4u);
    char buffer[8]{};
    EXPECT_EQ(::pread(fd.get(), buffer, 4, 2), 4);
    EXPECT_STREQ(buffer, "text");
    const auto full = open_file("/dev/full", O_WRONLY);
    errno = 0;
    EXPECT_EQ(write_at(full.get(), "text", 0), 0u);
    EXPECT_EQ(errno, ENOSPC);
}

TEST_F(Files, a_lock_that_is_held_tells_by_whom) {
    const auto lock = FileLock::acquire(folder / "lock");
    const auto said = in_another_process([this] { (void)FileLock::acquire(folder / "lock"); });
    EXPECT_NE(said.find("is locked: by process " + std::to_string(::getpid())), std::string::npos) << said;
}

TEST_F(Files, a_lock_is_held_until_its_owner_goes) {
    {
        const auto lock = FileLock::acquire(folder / "lock");
        EXPECT_NE(in_another_process([this] { (void)FileLock::acquire(folder / "lock"); }), "");
    }
    EXPECT_EQ(in_another_process([this] { (void)FileLock::acquire(folder / "lock"); }), "");
}

TEST_F(Files, a_lock_goes_with_its_process_whatever_becomes_of_the_children) {
    const auto ends = make_pipe();
    const int holder = ::fork();
    if (holder == 0) {
        const auto lock = FileLock::acquire(folder / "lock");
        const int child = ::fork();
        if (child == 0) ::_exit(::pause());
        ::_exit(::write(ends[1].get(), &child, sizeof child) == sizeof child ? ::pause() : 1);
    }
    int child = 0;
    ASSERT_EQ(::read(ends[0].get(), &child, sizeof child), static_cast<ssize_t>(sizeof child));
    EXPECT_THROW((void)FileLock::acquire(folder / "lock"), Error);
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
    EXPECT_NO_THROW((void)FileLock::acquire(folder / "lock"));
    ::kill(child, SIGKILL);
}

TEST_F(Files, a_lock_file_is_one_that_nobody_else_can_open) {
    const auto path = folder / "lock";
    const auto mode_now = [&] {
        struct stat info{};
        EXPECT_EQ(::lstat(path.c_str(), &info), 0);
        return info.st_mode;
    };
    (void)FileLock::acquire(path);
    EXPECT_EQ(mode_now(), static_cast<mode_t>(S_IFREG | 0600));
    fs::permissions(path, fs::perms(0644)); // as an older version left it
    (void)FileLock::acquire(path);
    EXPECT_EQ(mode_now(), static_cast<mode_t>(S_IFREG | 0600));
    fs::remove(path);
    fs::create_symlink("elsewhere", path);
    (void)FileLock::acquire(path);
    EXPECT_EQ(mode_now(), static_cast<mode_t>(S_IFREG | 0600));
    EXPECT_FALSE(fs::exists(folder / "elsewhere"));
    fs::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0666), 0);
    (void)FileLock::acquire(path);
    EXPECT_EQ(mode_now(), static_cast<mode_t>(S_IFREG | 0600));
}

TEST_F(Files, a_lock_is_not_kept_from_us_by_who_may_only_read) {
    const auto path = folder / "lock";
    write_file_durably(path, "1", 0644);
    const auto ends = make_pipe();
    const int reader = ::fork();
    if (reader == 0) {
        const int fd = ::open(path.c_str(), O_RDONLY);
        struct flock all{};
        all.l_type = F_RDLCK;
        ::_exit(::fcntl(fd, F_SETLK, &all) == 0 && ::write(ends[1].get(), "x", 1) == 1 ? ::pause() : 1);
    }
    char ready = 0;
    ASSERT_EQ(::read(ends[0].get(), &ready, 1), 1);
    {
        const auto lock = FileLock::acquire(path);
        EXPECT_NE(in_another_process([&] { (void)FileLock::acquire(path); }), "");
    }
    ::kill(reader, SIGKILL);
    ::waitpid(reader, nullptr, 0);
}

TEST_F(Files, a_name_is_that_of_an_open_file_until_another_takes_its_place) {
    write_file_durably(folder / "a", "x", 0600);
    const auto file = open_file(folder / "a", O_RDONLY), opened_folder = open_file(folder, O_RDONLY | O_DIRECTORY);
    fs::create_hard_link(folder / "a", folder / "second");
    fs::create_symlink("a", folder / "link");
    EXPECT_TRUE(is_name_of(folder / "a", file.get()));
    EXPECT_TRUE(is_name_of("a", file.get(), opened_folder.get()));
    EXPECT_TRUE(is_name_of(folder / "second", file.get()));
    EXPECT_FALSE(is_name_of(folder / "link", file.get()));
    EXPECT_FALSE(is_name_of(folder / "nothing", file.get()));
    EXPECT_FALSE(is_name_of(folder / "a", -1));
    write_file_durably(folder / "a", "x", 0600);
    EXPECT_FALSE(is_name_of(folder / "a", file.get())) << "it was replaced";
}

TEST_F(Files, renaming_replaces_what_has_the_name_and_tells_if_there_is_nothing_to_rename) {
    write_file_durably(folder / "a", "new", 0600);
    write_file_durably(folder / "b", "old", 0600);
    EXPECT_TRUE(rename_durably(folder / "a", folder / "b"));
    EXPECT_EQ(read_file(folder / "b", 100), "new");
    EXPECT_EQ(entries(), 1u);
    EXPECT_FALSE(rename_durably(folder / "a", folder / "b"));
    fs::create_directory(folder / "taken");
    EXPECT_THROW(rename_durably(folder / "b", folder / "taken"), Error);
}

TEST_F(Files, removing_what_is_not_there_is_no_error) {
    EXPECT_NO_THROW(remove_durably(folder / "nothing"));
    write_file_durably(folder / "a", "x", 0600);
    remove_durably(folder / "a");
    EXPECT_EQ(entries(), 0u);
}

TEST_F(Files, two_threads_may_remove_one_file) {
    for (int round = 0; round < 100; ++round) {
        write_file_durably(folder / "a", "x", 0600);
        std::latch both(2);
        const auto remove = [&] {
            both.arrive_and_wait();
            EXPECT_NO_THROW(remove_durably(folder / "a"));
        };
        std::jthread other(remove);
        remove();
    }
    EXPECT_EQ(entries(), 0u);
}

TEST_F(Files, folders_are_made_with_those_above_them) {
    ensure_directory(folder / "a/b/c", 0700);
    EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
    EXPECT_NO_THROW(ensure_directory(folder / "a/b/c", 0700));
    write_file_durably(folder / "file", "", 0600);
    EXPECT_THROW(ensure_directory(folder / "file", 0700), Error);
}

} // namespace domus
