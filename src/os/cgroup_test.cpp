#include "os/cgroup.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/followers.hpp"
#include "os/proc.hpp"
#include "os/process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <thread>

namespace domus {

namespace fs = std::filesystem;

namespace {

class CgroupTest : public ::testing::Test {
protected:
    CgroupTest() {
        char name[] = "/tmp/domus-cgroup-XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~CgroupTest() override { fs::remove_all(root_); }

    void group(const std::string& path) {
        fs::create_directories(root_ / path);
        replace_file(root_ / path / "cgroup.procs", "", 0644);
    }
    fs::path parent(const std::string& memberships, const std::string& mounts) {
        replace_file(root_ / "cgroup", memberships, 0644);
        replace_file(root_ / "mountinfo", mounts, 0644);
        return find_cgroup_parent(root_, root_);
    }
    fs::path root_;
};

/// A process that leaves another behind, which is in no session and has no parent of ours; its pid is in `note`.
Command leaves_one_behind(const fs::path& note) {
    Command command("sh");
    command.arguments = {"-c",
                         "setsid sh -c 'echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; sleep 1000' x \"$1\" & sleep 1000",
                         "x", note.string()};
    return command;
}

bool comes_true(const std::function<bool()>& so) {
    for (int i = 0; i < 60'000 && !so(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return so();
}

bool is_alive(int pid) {
    const auto statistics = read_process(pid);
    return statistics && statistics->state != 'Z';
}

int noted(const fs::path& note) {
    EXPECT_TRUE(comes_true([&] { return fs::exists(note); }));
    return std::stoi(read_file(note, 100));
}

} // namespace

TEST_F(CgroupTest, the_parent_is_our_own_group_of_version_2) {
    group("sys/fs/cgroup/system.slice/domusd.service");
    const std::string mounts =
        "24 1 0:2 / /proc rw - proc proc rw\n30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
    EXPECT_EQ(parent("0::/system.slice/domusd.service\n", mounts), root_ / "sys/fs/cgroup/system.slice/domusd.service");
    EXPECT_EQ(parent("0::/system.slice/other.service\n", mounts), "") << "it is not there";
}

TEST_F(CgroupTest, the_parent_in_a_container_is_below_what_is_mounted) {
    group("sys/fs/cgroup/inner");
    EXPECT_EQ(parent("0::/docker/1/inner\n", "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
              root_ / "sys/fs/cgroup/inner");
    EXPECT_EQ(parent("0::/elsewhere\n", "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), "");
}

TEST_F(CgroupTest, the_parent_is_of_version_1_where_there_is_no_other) {
    group("sys/fs/cgroup/freezer/vm");
    const std::string mounts = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                               "32 23 0:28 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n";
    EXPECT_EQ(parent("5:memory:/vm\n4:freezer:/vm\n0::/\n", mounts), root_ / "sys/fs/cgroup/freezer/vm");
    EXPECT_EQ(parent("garbage\n:\n", "garbage\n - \n"), "");
}

TEST_F(CgroupTest, version_2_kills_by_one_write) {
    replace_file(root_ / "cgroup.kill", "", 0644);
    kill_cgroup(root_);
    EXPECT_EQ(read_file(root_ / "cgroup.kill", 100), "1");
}

TEST_F(CgroupTest, what_is_not_there_is_removed_and_has_nobody) {
    kill_cgroup(root_ / "none");
    EXPECT_TRUE(remove_cgroup(root_ / "none"));
}

TEST_F(CgroupTest, ends_all_that_a_process_has_started) {
    std::vector<fs::path> parents{find_cgroup_parent(), "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/pids"};
    std::erase_if(parents, [](const fs::path& parent) {
        return parent.empty() || ::access((parent / "cgroup.procs").c_str(), W_OK) != 0;
    });
    if (parents.empty()) GTEST_SKIP() << "no control groups can be made here";
    for (const auto& parent : parents) {
        const auto own = parent / root_.filename();
        make_cgroup(own);
        auto command = leaves_one_behind(root_ / "pid");
        command.cgroup = own;
        auto process = Process::spawn(command);
        const int left = noted(root_ / "pid");
        EXPECT_FALSE(remove_cgroup(own)) << "somebody is in it";
        process.signal(SIGKILL);
        EXPECT_TRUE(comes_true([&] { return process.poll().has_value(); }));
        EXPECT_TRUE(is_alive(left)) << parent;
        EXPECT_TRUE(comes_true([&] {
            kill_cgroup(own);
            return remove_cgroup(own);
        }));
        EXPECT_FALSE(is_alive(left)) << parent;
        fs::remove(root_ / "pid");
    }
}

TEST_F(CgroupTest, followers_are_found_by_session_and_by_parent) {
    auto process = Process::spawn(leaves_one_behind(root_ / "pid"));
    const int left = noted(root_ / "pid");
    const auto followers = followers_of(process.pid(), process.start_time());
    bool found = false;
    for (const auto& follower : followers) found |= follower.pid() == left;
    EXPECT_TRUE(found);
    EXPECT_TRUE(followers_of(process.pid(), process.start_time() + 1).empty()) << "the pid is another's now";
    for (const auto& follower : followers) follower.signal(SIGKILL);
    EXPECT_TRUE(comes_true([&] { return !is_alive(left); }));
}

} // namespace domus
