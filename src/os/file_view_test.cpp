#include "os/file_view.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "os/view_devices.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace domus {

namespace fs = std::filesystem;

namespace {

constexpr uid_t somebody = 65534;
constexpr int timeout = 60'000;

struct View : testing::Test {
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        std::string name = "/tmp/domus-view-XXXXXX";
        folder = ::mkdtemp(name.data());
        for (const char* part : {"root", "own", "closed"}) ensure_directory(folder / part, 0700);
        write_file_durably(folder / "closed/shown", "shown", 0644);
        write_file_durably(folder / "closed/hidden", "hidden", 0644);
        ASSERT_EQ(::chown((folder / "own").c_str(), somebody, somebody), 0);
    }
    void TearDown() override {
        if (!folder.empty()) fs::remove_all(folder);
    }
    FileView view() const {
        FileView view;
        view.staging = folder / "root";
        for (const char* part : {"/usr", "/lib", "/lib64", "/bin"}) view.show(part, FileView::Use::programs);
        view.show_device("/dev/null");
        return view;
    }
    /// What a shell with that view prints, as nobody.
    std::string run(const FileView& view, const std::string& script) const {
        Command command("/usr/bin/sh");
        const auto output = folder / "output";
        command.redirect(open_file(output, O_RDWR | O_CREAT | O_TRUNC, 0600), 1);
        command.arguments = {"-c", script};
        command.uid = command.gid = somebody;
        command.unprivileged = true;
        command.view = view;
        auto process = Process::spawn(command);
        pollfd ended{process.pidfd(), POLLIN, 0};
        ::poll(&ended, 1, timeout);
        return read_file(output, 1u << 16);
    }
    fs::path folder;
};

} // namespace

TEST_F(View, shows_what_is_in_it_and_nothing_else) {
    auto shown = view();
    shown.show((folder / "closed/shown").string());
    shown.link("/dev/nothing", "null");
    EXPECT_EQ(run(shown, "cat " + (folder / "closed/*").string()
                             + "; ls -d /* | tr '\\n' ' '; : >/dev/nothing && echo written"),
              "shown/bin /dev /lib /lib64 /proc /tmp /usr written\n");
    EXPECT_TRUE(fs::is_empty(folder / "root"));
}

TEST_F(View, is_written_to_only_where_it_may_be) {
    auto shown = view();
    shown.show((folder / "own").string(), FileView::Use::write);
    const auto own = (folder / "own/file").string();
    EXPECT_EQ(run(shown, "echo text >" + own + "; cat " + own
                             + "; for f in /new /usr/new /tmp/new; do true 2>/dev/null >$f && echo $f; done"),
              "text\n");
    EXPECT_EQ(read_file(own, 100), "text\n");
    shown.parts.back().use = FileView::Use::read;
    EXPECT_EQ(run(shown, "true 2>/dev/null >" + own + " && echo written; cat " + own), "text\n");
}

TEST_F(View, shows_the_folder_that_was_opened_or_none) {
    auto shown = view();
    const auto opened = open_file(folder / "own", O_PATH | O_DIRECTORY);
    shown.show_folder("/shared", opened.get(), FileView::Use::write);
    EXPECT_EQ(run(shown, "echo text >/shared/file; cat /shared/file"), "text\n");
    EXPECT_EQ(read_file(folder / "own/file", 100), "text\n");
    fs::rename(folder / "own", folder / "moved");
    fs::create_directory_symlink(folder / "closed", folder / "own");
    EXPECT_THROW(run(shown, "cat /shared/hidden"), Error);
}

TEST_F(View, has_the_settings_of_the_kernel_only_where_they_are_wanted) {
    auto shown = view();
    shown.settings = true;
    EXPECT_EQ(run(shown, "test -e /proc/sys/fs/file-max && echo there; test -e /proc/1 || echo none"), "there\nnone\n");
}

TEST_F(View, has_no_processes_but_its_own) {
    EXPECT_EQ(
        run(view(),
            "test -e /proc/1 || echo none; test -e /proc/$$/status && echo own; test -e /proc/sys || echo closed"),
        "none\nown\nclosed\n");
}

TEST_F(View, has_devices_that_belong_to_its_user) {
    auto shown = view();
    shown.show_device("/dev/zero", 0600, somebody, somebody);
    shown.show_device("/dev/full", 0600);
    EXPECT_EQ(
        run(shown,
            "stat -c '%F %u %a' /dev/zero; head -c 3 /dev/zero | wc -c; cat /dev/full 2>/dev/null || echo refused"),
        "character special file 65534 600\n3\nrefused\n");
}

TEST_F(View, of_a_process_that_runs_gets_devices_and_loses_them) {
    Command command("/usr/bin/sleep");
    command.arguments = {"600"};
    command.view = view();
    const auto process = Process::spawn(command);
    const auto seen = fmt::format("/proc/{}/root/dev/zero", process.pid());
    add_devices(process.pidfd(), {"/dev/zero", "/dev/that/is/not/there"}, somebody, somebody);
    struct stat info{};
    ASSERT_EQ(::stat(seen.c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, somebody);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    take_devices(process.pidfd(), {"/dev/zero", "/dev/that/is/not/there"});
    EXPECT_NE(::stat(seen.c_str(), &info), 0);
    EXPECT_TRUE(fs::exists("/dev/zero"));
    Command other("/usr/bin/sleep"); // sees what we see
    other.arguments = {"600"};
    const auto plain = Process::spawn(other);
    take_devices(plain.pidfd(), {"/dev/zero"});
    EXPECT_TRUE(fs::exists("/dev/zero"));
}

TEST_F(View, that_cannot_be_made_names_what_failed) {
    auto shown = view();
    shown.parts.push_back({FileView::Part::Kind::bind, "/gone", "/nowhere/at/all"});
    try {
        run(shown, "true");
        FAIL() << "was run";
    } catch (const Error& error) {
        EXPECT_TRUE(error.text().contains("cannot set up '/gone' in its mount namespace")) << error.text();
    }
    EXPECT_EQ(why_no_views((folder / "root").string()), "");
    EXPECT_NE(why_no_views("/nowhere"), "");
}

TEST_F(View, of_one_value_is_equal_and_of_another_is_not) {
    EXPECT_EQ(view(), view());
    auto other = view();
    other.show(folder.string());
    EXPECT_NE(view(), other);
}

} // namespace domus
