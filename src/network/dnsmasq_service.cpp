#include "network/dnsmasq_service.hpp"

#include "async/process_wait.hpp"
#include "network/admission.hpp"
#include "network/site.hpp"
#include "os/files.hpp"
#include "os/lock_holders.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

namespace domus::network {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto exec_timeout = 2s; ///< from fork to exec
constexpr std::size_t longest_complaint = 1u << 20;
constexpr auto poll_interval = 3ms; ///< while dnsmasq starts, which takes it some 10 ms

/// The file that dnsmasq has as its standard error, locked: by that it is known again, whoever has started it.
UniqueFd open_log(const fs::path& path) {
    ::unlink(path.c_str());
    auto log = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (::flock(log.get(), LOCK_EX | LOCK_NB) < 0) throw path_error(errno, "cannot lock", path);
    return log;
}

/// The dnsmasq that writes to this log.
std::shared_ptr<Process> stray_dnsmasq(const fs::path& log) {
    struct stat file{};
    if (::stat(log.c_str(), &file) < 0) return nullptr;
    auto found = lock_holding_processes(file, LockKind::flock, exec_timeout);
    return found.empty() ? nullptr : std::make_shared<Process>(std::move(found.front()));
}

void write_hosts(const model::Network& live, const DnsmasqFiles& files) {
    replace_file(files.hosts, dnsmasq_hosts(live), 0644);
    replace_file(files.addresses, dnsmasq_addresses(live), 0644);
}

} // namespace

/// Until dnsmasq has read all its files, has its sockets and has given up its rights, and so cannot fail to start any more:
/// then it says in its log that it is started. Throws what it says instead.
Task<> DnsmasqService::wait_until_ready(std::shared_ptr<Process> process) {
    constexpr std::string_view started =
        ": started, version "; // main() of dnsmasq.c, after "dnsmasq[PID]"; its locale is C
    const auto by = Deadline::in(timeout);
    auto read = [log = places_.log] { return read_file(log, longest_complaint); };
    for (;;) {
        const auto ended = process->poll(); // before the log is read: then that is whole
        const auto said = co_await lane_.run(by, read);
        if (ended)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network, fmt::format("dnsmasq {}", ended->text()))
                .because(said);
        if (said.contains(started)) co_return;
        if (by.expired())
            throw Error(ErrorCode::operation_timeout, ErrorDomain::network,
                        fmt::format("dnsmasq is not ready after {} s", timeout.count()))
                .because(said)
                .hint("look whether the host is overloaded, and start the network again");
        co_await sleep_until(Deadline::in(poll_interval));
    }
}

Task<> DnsmasqService::run(std::shared_ptr<const model::Network> live) {
    co_await end();
    const auto& files = places_.files;
    auto work = [live, files] {
        ensure_directory(files.configuration.parent_path(), 0755);
        replace_file(files.configuration, dnsmasq_configuration(*live, files), 0644);
        write_hosts(*live, files);
    };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    // --test first: what it refuses, it says in words; a daemon's complaint would only be in the system's log.
    Command test("dnsmasq");
    test.arguments = {"--test", fmt::format("--conf-file={}", files.configuration.string())};
    const auto output = co_await run_command(test, Deadline::in(timeout));
    if (!output.status.success())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "dnsmasq refuses the network's configuration")
            .because(output.err);
    Command command("dnsmasq");
    command.arguments = {"--keep-in-foreground", "--log-facility=-",
                         fmt::format("--conf-file={}", files.configuration.string()),
                         fmt::format("--pid-file={}", places_.pid_file.string())};
    command.redirect(open_log(places_.log), 2);
    auto started = co_await spawn_process(std::move(command), Deadline::in(timeout));
    const auto process = std::make_shared<Process>(std::move(started));
    co_await wait_until_ready(process);
    process_ = process;
}

bool DnsmasqService::wants_restart(const model::Network& before, const model::Network& after) const {
    const auto& files = places_.files;
    return dnsmasq_configuration(before, files) != dnsmasq_configuration(after, files);
}

Task<> DnsmasqService::reload(std::shared_ptr<const model::Network> live) {
    auto work = [live, files = places_.files] { write_hosts(*live, files); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    if (process_) process_->signal(SIGHUP); // dnsmasq(8), NOTES: reads --addn-hosts and --dhcp-hostsfile again
}

/// It ends at once when it is told to; what does not is killed.
Task<> DnsmasqService::end() {
    auto process = std::exchange(process_, nullptr);
    if (!process) {
        auto work = [log = places_.log] { return stray_dnsmasq(log); };
        process = co_await lane_.run(Deadline::in(timeout), std::move(work));
    }
    if (!process || !process->signal(SIGTERM)) co_return;
    const auto by = Deadline::in(2s);
    while (!process->poll() && !by.expired()) co_await sleep_until(Deadline::in(2ms));
    process->signal(SIGKILL);
}

Task<> DnsmasqService::take_over(int pid, std::uint64_t start_time) {
    if (auto process = Process::adopt(pid, start_time)) {
        process_ = std::make_shared<Process>(std::move(*process));
    } else { // run again meanwhile, and the record could not be written
        auto work = [log = places_.log] { return stray_dnsmasq(log); };
        process_ = co_await lane_.run(Deadline::in(timeout), std::move(work));
    }
    if (process_) process_->release();
}

std::vector<fs::path> DnsmasqService::made_files() const {
    const auto& files = places_.files;
    return {places_.pid_file, files.configuration, files.hosts, files.addresses, places_.log};
}

} // namespace domus::network
