#include "os/process.hpp"

#include "base/error.hpp"
#include "os/cgroup.hpp"
#include "os/package.hpp"
#include "os/priority.hpp"
#include "os/proc.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>

namespace domus {

namespace {

constexpr std::array<const char*, 6> program_folders{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                                     "/usr/bin",        "/sbin",          "/bin"};

constexpr unsigned close_range_cloexec = 4; // CLOSE_RANGE_CLOEXEC of linux/close_range.h

/// What the child needs, laid out before the fork: between fork and exec only system calls are safe.
struct Plan {
    std::string program;
    std::vector<char*> argv, envp;
    std::vector<std::string> arguments;
    std::vector<std::pair<int, int>> moves; ///< our descriptor to the child's number
    int highest = 2;
    std::vector<ViewStep> view;
    const Command* command = nullptr;
    int report = -1;
    int parent = 0;
    int group = -1; ///< cgroup.procs of the control group to enter
};

Plan make_plan(const Command& command) {
    Plan plan;
    plan.command = &command;
    plan.program = command.program.find('/') == std::string::npos ? find_program(command.program) : command.program;
    if (plan.program.empty())
        throw Error(ErrorCode::no_support, ErrorDomain::none,
                    fmt::format("the program '{}' is not installed", command.program))
            .hint(how_to_install(command.program));
    plan.arguments = command.arguments;
    plan.arguments.insert(plan.arguments.begin(), command.program);
    for (auto& argument : plan.arguments) plan.argv.push_back(argument.data());
    plan.argv.push_back(nullptr);
    for (const auto& variable : command.environment) plan.envp.push_back(const_cast<char*>(variable.c_str()));
    plan.envp.push_back(nullptr);
    if (command.view) plan.view = view_steps(*command.view);
    for (const auto& inherited : command.fds) {
        plan.moves.emplace_back(inherited.fd->get(), inherited.number);
        plan.highest = std::max(plan.highest, inherited.number);
    }
    return plan;
}

/// What a child that did not get to its program says of it.
struct Trouble {
    int number = 0; ///< errno
    int step = outside_view;
    static constexpr int outside_view = -2;
};

[[noreturn]] void give_up(const Plan& plan, int step = Trouble::outside_view) {
    const Trouble trouble{errno, step};
    (void)!::write(plan.report, &trouble, sizeof trouble);
    ::_exit(127);
}

Error cannot_run(const std::string& program, const std::vector<ViewStep>& view, const Trouble& trouble) {
    auto what = fmt::format("cannot run '{}'", program);
    if (trouble.step == Trouble::outside_view) return system_error(trouble.number, what);
    const auto where = trouble.step < 0 ? std::string("its mount namespace")
                                        : fmt::format("'{}' in its mount namespace",
                                                      view[static_cast<std::size_t>(trouble.step)].path);
    return system_error(trouble.number, fmt::format("{}: cannot set up {}", what, where));
}

/// Moves descriptors above all targets first, then down, so that none overwrites another.
void place_descriptors(Plan& plan) {
    int& report = plan.report;
    const int above = ::fcntl(report, F_DUPFD_CLOEXEC, plan.highest + 1);
    if (above < 0) give_up(plan);
    report = above;
    const int opened = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int null = ::fcntl(opened, F_DUPFD_CLOEXEC, plan.highest + 1);
    for (auto& [from, to] : plan.moves) {
        from = ::fcntl(from, F_DUPFD_CLOEXEC, plan.highest + 1);
        if (from < 0) give_up(plan);
    }
    for (int standard = 0; standard < 3; ++standard)
        if (::dup2(null, standard) < 0) give_up(plan);
    for (const auto& [from, to] : plan.moves)
        if (::dup2(from, to) < 0) give_up(plan);
    // Whatever else is open, ours or inherited from who started us, ends with exec.
    for (int other = 3; other <= plan.highest; ++other) {
        bool wanted = false;
        for (const auto& [from, to] : plan.moves) wanted |= to == other;
        if (!wanted) ::close(other);
    }
    ::syscall(SYS_close_range, plan.highest + 1, ~0U, close_range_cloexec);
}

/// While we are still root: what exec could give back (capabilities(7)). A daemon without CAP_SETPCAP cannot, and has
/// little to give.
void drop_bounding_set() {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
        ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

void drop_capabilities(const Plan& plan) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) give_up(plan);
    if (::syscall(SYS_capset, &header, none.data()) < 0) give_up(plan);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) give_up(plan);
}

void become(const Plan& plan) {
    const Command& command = *plan.command;
    for (const auto& limit : command.limits) {
        const rlimit value{limit.value, limit.value};
        if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) < 0) give_up(plan);
    }
    if (command.unprivileged) drop_bounding_set();
    // Raw system calls: glibc's wrappers would signal the threads that this child does not have.
    if (command.uid && ::syscall(SYS_setgroups, command.groups.size(), command.groups.data()) < 0) give_up(plan);
    if (command.gid && ::syscall(SYS_setresgid, *command.gid, *command.gid, *command.gid) < 0) give_up(plan);
    if (command.uid && ::syscall(SYS_setresuid, *command.uid, *command.uid, *command.uid) < 0) give_up(plan);
    if (command.unprivileged) drop_capabilities(plan);
}

[[noreturn]] void run_child(Plan& plan) {
    const Command& command = *plan.command;
    restore_priority();
    if (plan.group >= 0 && ::write(plan.group, "0", 1) < 0) give_up(plan);
    place_descriptors(plan);
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (command.new_session) ::setsid();
    ::umask(022);
    if (command.view)
        if (const auto failed = enter_view(*command.view, plan.view)) give_up(plan, *failed);
    if (::chdir(command.folder.c_str()) < 0) give_up(plan);
    become(plan);
    if (command.death_signal) { // after the change of user, which clears it (prctl(2))
        ::prctl(PR_SET_PDEATHSIG, *command.death_signal);
        if (::getppid() != plan.parent) ::_exit(127);
    }
    ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
    give_up(plan);
}

/// The group itself (version 2), or its list of processes.
UniqueFd open_cgroup(const std::string& group) {
    if (group.empty()) return {};
    UniqueFd fd(is_cgroup_v2(group) ? ::open(group.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)
                                    : ::open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) throw system_error(errno, fmt::format("cannot open the control group '{}'", group));
    return fd;
}

std::string quote(const std::string& word) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

constexpr int reaping_timeout_ms = 100;

bool reap(int pidfd) {
    siginfo_t info{};
    const auto result = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
    return result < 0 || info.si_pid != 0;
}

/// Killed children that hung in the kernel when their owners went.
class LeftBehind {
public:
    void add(UniqueFd pidfd) {
        const std::lock_guard lock(mutex_);
        pidfds_.push_back(std::move(pidfd));
    }
    void reap_those_that_ended() {
        const std::lock_guard lock(mutex_);
        std::erase_if(pidfds_, [](const UniqueFd& pidfd) { return reap(pidfd.get()); });
    }

private:
    std::mutex mutex_;
    std::vector<UniqueFd> pidfds_;
};

LeftBehind& left_behind() {
    static LeftBehind all;
    return all;
}

} // namespace

std::string how_to_install(const Package& package) {
    const auto from = package.component.empty() ? "" : fmt::format(", from Debian's component {}", package.component);
    return fmt::format("install its package with 'apt install {}'{}", package.names, from);
}

std::string how_to_install(std::string_view program) {
    struct Row {
        std::string_view program;
        Package package;
    };
    constexpr Row packages[] = {{"blkid", {"util-linux"}},
                                {"dnsmasq", {"dnsmasq-base"}},
                                {"ip", {"iproute2"}},
                                {"nft", {"nftables"}},
                                {"passt", {"passt"}},
                                {"qemu-img", {"qemu-utils"}},
                                {"scrub", {"scrub"}},
                                {"swtpm", {"swtpm swtpm-tools"}},
                                {"swtpm_setup", {"swtpm swtpm-tools"}},
                                {"unshare", {"util-linux"}}};
    for (const auto& row : packages)
        if (row.program == program) return how_to_install(row.package);
    return fmt::format("find its package with 'apt-file search bin/{}'", program);
}

std::string find_program(const std::string& name) {
    for (const auto* folder : program_folders) {
        auto path = fmt::format("{}/{}", folder, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

int Command::pass(UniqueFd fd) { return pass(std::make_shared<UniqueFd>(std::move(fd))); }

int Command::pass(std::shared_ptr<UniqueFd> fd) {
    int number = 3;
    for (const auto& inherited : fds) number = std::max(number, inherited.number + 1);
    fds.push_back({std::move(fd), number});
    return number;
}

void Command::redirect(UniqueFd fd, int number) { fds.push_back({std::make_shared<UniqueFd>(std::move(fd)), number}); }

std::string Command::text() const {
    std::string text = quote(program);
    for (const auto& argument : arguments) text += " " + quote(argument);
    return text;
}

std::string ExitStatus::text() const {
    if (!known) return "ended";
    if (signal) return fmt::format("was killed by signal {} ({})", signal, ::strsignal(signal));
    return fmt::format("exited with status {}", code);
}

Process& Process::operator=(Process&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    std::construct_at(this, std::move(other));
    return *this;
}

Process::~Process() {
    if (!pidfd_ || released_ || status_ || !child_) return;
    signal(SIGKILL);
    pollfd entry{pidfd_.get(), POLLIN, 0};
    ::poll(&entry, 1, reaping_timeout_ms);
    left_behind().reap_those_that_ended();
    if (!reap(pidfd_.get())) left_behind().add(std::move(pidfd_));
}

PendingProcess::PendingProcess(const Command& command) {
    auto plan = make_plan(command);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "cannot make a pipe");
    report_.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    plan.report = write_end.get();
    plan.parent = ::getpid();
    left_behind().reap_those_that_ended();
    const auto cgroup = open_cgroup(command.cgroup);
    const bool made_inside = cgroup && is_cgroup_v2(command.cgroup);
    if (!made_inside) plan.group = cgroup.get();

    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD | (made_inside ? CLONE_INTO_CGROUP : 0);
    arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<std::uint64_t>(made_inside ? cgroup.get() : 0);
    const auto pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) throw system_error(errno, fmt::format("cannot start '{}'", command.program));
    if (pid == 0) run_child(plan);

    process_.pid_ = static_cast<int>(pid);
    process_.pidfd_.reset(pidfd);
    process_.child_ = true;
    program_ = std::move(plan.program);
    view_ = std::move(plan.view);
}

Process PendingProcess::finish() {
    Trouble trouble;
    ssize_t n = 0;
    while ((n = ::read(report_.get(), &trouble, sizeof trouble)) < 0 && errno == EINTR) {
    }
    if (n == sizeof trouble) throw cannot_run(program_, view_, trouble);
    if (const auto statistics = read_process(process_.pid_)) process_.start_time_ = statistics->start_time;
    return std::move(process_);
}

Process Process::spawn(const Command& command) { return PendingProcess(command).finish(); }

std::optional<Process> Process::adopt(int pid, std::uint64_t start_time) {
    if (pid <= 0) return std::nullopt;
    Process process;
    process.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.pidfd_) return std::nullopt;
    // Read after the pidfd is open: what it names can no longer be exchanged for another.
    const auto statistics = read_process(pid);
    if (!statistics || statistics->start_time != start_time || statistics->state == 'Z') return std::nullopt;
    process.pid_ = pid;
    process.start_time_ = start_time;
    process.released_ = true;
    return process;
}

bool Process::signal(int number) const {
    return pidfd_ && !status_ && ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) == 0;
}

std::optional<ExitStatus> Process::poll() {
    if (status_) return status_;
    if (!child_) {
        pollfd entry{pidfd_.get(), POLLIN, 0};
        if (::poll(&entry, 1, 0) > 0) status_ = ExitStatus{};
        return status_;
    }
    siginfo_t info{};
    if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) < 0) {
        if (errno != ECHILD) return std::nullopt;
        status_ = ExitStatus{}; // somebody else has reaped it
        return status_;
    }
    if (info.si_pid == 0) return std::nullopt;
    ExitStatus status;
    status.known = true;
    if (info.si_code == CLD_EXITED)
        status.code = info.si_status;
    else
        status.signal = info.si_status;
    status_ = status;
    return status_;
}

} // namespace domus
