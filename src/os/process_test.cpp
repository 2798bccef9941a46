#include "os/process.hpp"

#include "os/package.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <sys/resource.h>

#include <csignal>
#include <thread>

namespace domus {

namespace {

constexpr int timeout = 60'000; ///< ms; a machine that is shared may stand still for seconds

ExitStatus wait(Process& process) {
    pollfd entry{process.pidfd(), POLLIN, 0};
    ::poll(&entry, 1, timeout);
    return process.poll().value_or(ExitStatus{});
}

struct Pipe {
    UniqueFd read_end, write_end;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) == 0) {
            read_end.reset(ends[0]);
            write_end.reset(ends[1]);
        }
    }
    std::string all() {
        std::string text;
        char buffer[4096];
        for (ssize_t n; (n = ::read(read_end.get(), buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(n));
        return text;
    }
};

} // namespace

TEST(Process, tells_how_it_ended) {
    Command command("sh");
    command.arguments = {"-c", "exit 7"};
    auto process = Process::spawn(command);
    const auto status = wait(process);
    EXPECT_TRUE(status.known);
    EXPECT_EQ(status.code, 7);
    EXPECT_EQ(status.text(), "exited with status 7");
}

TEST(Process, reports_a_program_that_is_not_there) {
    try {
        Process::spawn(Command("no-such-program-here"));
        FAIL() << "was started";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::no_support);
        EXPECT_NE(error.message().find("'no-such-program-here' is not installed"), std::string::npos);
    }
    EXPECT_THROW(Process::spawn(Command("/nowhere/program")), Error);
    EXPECT_THROW(Process::spawn(Command("/etc/passwd")), Error);
}

TEST(Process, has_no_capabilities_and_gains_none) {
    Pipe pipe;
    Command command("grep");
    command.redirect(std::move(pipe.write_end), 1);
    command.unprivileged = true;
    if (::geteuid() == 0) command.uid = command.gid = 65534;
    command.arguments = {"-E", "^(Uid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs)", "/proc/self/status"};
    if (::geteuid() == 0) command.arguments[1].insert(2, "CapBnd|");
    const auto process = Process::spawn(command);
    command.fds.clear();
    const auto text = pipe.all();
    const std::string none = "0000000000000000";
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
        EXPECT_TRUE(text.contains(set + (":\t" + none))) << text;
    EXPECT_TRUE(text.contains("NoNewPrivs:\t1")) << text;
    if (::geteuid() != 0) return;
    EXPECT_TRUE(text.contains("CapBnd:\t" + none)) << text;
    EXPECT_TRUE(text.contains("Uid:\t65534\t65534\t65534\t65534")) << text;
}

TEST(Process, gets_only_the_descriptors_that_it_was_given) {
    Pipe pipe;
    Command command("sh");
    const auto handed = std::make_shared<UniqueFd>(make_memfd("given", "hello"));
    const int number = command.pass(handed);
    command.redirect(std::move(pipe.write_end), 1);
    // The folder itself is open while it is listed, as the highest number. No pipe of the shell's is.
    command.arguments = {"-c", "cat <&" + std::to_string(number) + "; exec ls /proc/self/fd"};
    auto process = Process::spawn(command);
    command.fds.clear();
    EXPECT_EQ(pipe.all(), "hello0\n1\n2\n3\n4\n");
    EXPECT_EQ(wait(process).code, 0);
}

TEST(Process, is_killed_and_reaped_by_its_owners_end) {
    int pid = 0;
    {
        Command command("sleep");
        command.arguments = {"100"};
        const auto process = Process::spawn(command);
        pid = process.pid();
        EXPECT_TRUE(read_process(pid));
    }
    EXPECT_FALSE(read_process(pid));
}

TEST(Process, is_adopted_only_with_its_start_time) {
    Command command("sleep");
    command.arguments = {"100"};
    auto process = Process::spawn(command);
    EXPECT_FALSE(Process::adopt(process.pid(), process.start_time() + 1));
    auto again = Process::adopt(process.pid(), process.start_time());
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->signal(SIGKILL));
    EXPECT_EQ(wait(process).signal, SIGKILL);
    EXPECT_TRUE(again->poll());
    EXPECT_FALSE(Process::adopt(process.pid(), process.start_time()));
    EXPECT_FALSE(process.signal(SIGKILL));
}

TEST(Process, released_goes_on) {
    std::optional<Process> adopted;
    {
        Command command("sleep");
        command.arguments = {"100"};
        auto process = Process::spawn(command);
        process.release();
        adopted = Process::adopt(process.pid(), process.start_time());
    }
    ASSERT_TRUE(adopted);
    EXPECT_FALSE(adopted->poll());
    adopted->signal(SIGKILL);
}

TEST(Process, runs_with_the_limits_and_as_the_user_that_were_named) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    Pipe pipe;
    Command command("sh");
    command.arguments = {"-c", "ulimit -l; id -u; id -G"};
    command.limits = {{RLIMIT_MEMLOCK, 5u << 20}};
    command.uid = 65534;
    command.gid = 65534;
    command.groups = {7};
    command.redirect(std::move(pipe.write_end), 1);
    auto process = Process::spawn(command);
    command.fds.clear();
    EXPECT_EQ(pipe.all(), "5120\n65534\n65534 7\n");
    EXPECT_EQ(wait(process).code, 0);
}

TEST(Process, of_another_user_ends_with_the_thread_that_started_it_if_so_wanted) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    Process process;
    std::thread([&process] {
        Command command("sleep");
        command.arguments = {"100"};
        command.uid = command.gid = 65534;
        command.death_signal = SIGTERM;
        process = Process::spawn(command);
    }).join();
    EXPECT_EQ(wait(process).signal, SIGTERM);
}

TEST(Process, that_somebody_else_reaped_has_ended_in_an_unknown_way) {
    auto process = Process::spawn(Command("true"));
    pollfd entry{process.pidfd(), POLLIN, 0};
    ASSERT_EQ(::poll(&entry, 1, timeout), 1);
    ASSERT_EQ(::waitpid(process.pid(), nullptr, 0), process.pid());
    const auto status = process.poll();
    ASSERT_TRUE(status);
    EXPECT_FALSE(status->known);
}

TEST(Process, is_started_in_its_folder_with_its_environment_alone) {
    Pipe pipe;
    Command command("/usr/bin/env");
    command.environment = {"ONLY=this"};
    command.folder = "/nowhere";
    EXPECT_THROW(Process::spawn(command), Error);
    command.folder = "/proc";
    command.redirect(std::move(pipe.write_end), 1);
    auto process = Process::spawn(command);
    command.fds.clear();
    EXPECT_EQ(pipe.all(), "ONLY=this\n");
    EXPECT_TRUE(wait(process).success());
}

TEST(Process, what_is_missing_is_named_with_its_package) {
    EXPECT_EQ(how_to_install("nft"), "install its package with 'apt install nftables'");
    EXPECT_EQ(how_to_install("swtpm_setup"), "install its package with 'apt install swtpm swtpm-tools'");
    EXPECT_EQ(how_to_install("dnsmasq"), "install its package with 'apt install dnsmasq-base'");
    EXPECT_EQ(how_to_install(Package{"zfsutils-linux", "contrib"}),
              "install its package with 'apt install zfsutils-linux', from Debian's component contrib");
    EXPECT_EQ(how_to_install("unheard"), "find its package with 'apt-file search bin/unheard'");
}

TEST(Command, is_a_value) {
    Command one("qemu-img"), other("qemu-img");
    one.arguments = other.arguments = {"info", "x"};
    EXPECT_EQ(one, other);
    other.limits.push_back({RLIMIT_CORE, 0});
    EXPECT_NE(one, other);
}

TEST(Command, prints_itself_as_a_shell_takes_it) {
    Command command("/bin/echo");
    command.arguments = {"plain", "two words", "it's"};
    EXPECT_EQ(command.text(), "/bin/echo plain 'two words' 'it'\\''s'");
}

} // namespace domus
