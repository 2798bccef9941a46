#include "compute/life/helpers.hpp"

#include "async/deadline.hpp"
#include "async/process_wait.hpp"
#include "base/log.hpp"
#include "compute/life/guest_view.hpp"

#include <csignal>
#include <filesystem>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto helper_end_timeout = 1s; ///< for one whose QEMU has gone, which it sees by itself
constexpr auto helper_kill_timeout = 5s;
constexpr auto helper_start_timeout = 30s; ///< its program, or what it serves, may lie on storage that hangs

} // namespace

const format::Schema& HelperRecord::schema() {
    static const format::Schema table =
        format::Describe<HelperRecord>("helper", "A program that serves one of its devices.")
            .field("@program", &HelperRecord::program)
            .field("@device", &HelperRecord::device)
            .field("@pid", &HelperRecord::pid, "", format::required)
            .field("@started", &HelperRecord::start_time, "", format::required);
    return table;
}

Command helper_command(const HelperSite& site, const std::string& program) {
    Command command(program);
    command.cgroup = site.cgroup;
    command.unprivileged = true;
    if (site.user) {
        command.uid = site.user->uid;
        command.gid = site.user->gid;
    }
    if (site.views)
        command.view = helper_view(site.staging, program.find('/') == program.npos ? find_program(program) : program);
    if (site.log) command.fds = {{site.log, 1}, {site.log, 2}};
    return command;
}

Task<Helper> start_helper(Command command, std::string device) {
    log::debug("starting the helper of '{}': {}", device, command.text());
    auto program = std::filesystem::path(command.program).filename().string();
    auto process = co_await spawn_process(std::move(command), Deadline::in(helper_start_timeout));
    co_return Helper{std::move(program), std::move(device), std::move(process)};
}

Task<> end_helpers(std::shared_ptr<Running> running) {
    const auto by = Deadline::in(helper_end_timeout);
    for (auto& helper : running->helpers) {
        if (helper.process.pid() == 0) continue; // it had ended before this daemon came
        (void)co_await wait_for_exit(helper.process, by);
        if (!helper.process.signal(SIGKILL)) continue;
        const auto gone = co_await wait_for_exit(helper.process, Deadline::in(helper_kill_timeout));
        if (!gone)
            log::error("process {} ({} of '{}') is still there after SIGKILL", helper.process.pid(), helper.program,
                       helper.device);
    }
}

} // namespace domus::compute
