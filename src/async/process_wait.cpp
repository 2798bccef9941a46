#include "async/process_wait.hpp"

#include "async/cancel_at.hpp"
#include "async/loop_share.hpp"
#include "async/signal.hpp"
#include "async/spawn.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace domus {

namespace {

constexpr std::size_t most_output = 16u << 20;

struct Pipe {
    UniqueFd read_end, write_end;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "cannot make a pipe");
        read_end.reset(ends[0]);
        write_end.reset(ends[1]);
    }
};

constexpr auto end_timeout = std::chrono::seconds(5);    ///< for a program that was killed
constexpr auto others_timeout = std::chrono::seconds(1); ///< that hold the outputs of a program that has ended

/// What goes on beside the one who waits; shared, so that it may be left behind.
struct Run {
    explicit Run(const Executor& executor) : out(executor), err(executor), changed(executor) {}
    Process process;
    CommandOutput output;
    StreamFd out, err;
    int open_outputs = 2;
    bool ended = false;
    Notice changed;
    std::function<void(const std::string&)> read;
};

constexpr auto cancel_interval = std::chrono::milliseconds(100); ///< between two looks whether the work was cancelled

/// When there is something to be looked at again, or the work has had its time.
Deadline next_look(const Watch& watch, Deadline look, Deadline by) {
    auto next = by.when();
    if (watch.look) next = std::min(next, look.when());
    if (watch.progress) next = std::min(next, Deadline::in(cancel_interval).when());
    return Deadline::at(next);
}

/// With what it has started in its session.
void kill_all(Run& run) {
    if (run.ended) return;
    // Not reaped yet, so that the number of its session cannot be another's.
    ::kill(-run.process.pid(), SIGKILL);
    run.process.signal(SIGKILL);
}

/// Ends what is left when the one who waits has gone.
class Ending {
public:
    explicit Ending(std::shared_ptr<Run> run) : run_(std::move(run)) {}
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() {
        kill_all(*run_);
        boost::system::error_code ignored;
        run_->out.close(ignored);
        run_->err.close(ignored);
    }

private:
    std::shared_ptr<Run> run_;
};

Task<> drain(std::shared_ptr<Run> run, StreamFd Run::* stream, std::string CommandOutput::* where) {
    std::array<char, 8192> buffer;
    LoopShare share;
    for (;;) {
        if (share.used_up()) co_await share.rest();
        boost::system::error_code failure;
        const auto n =
            co_await ((*run).*stream).async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, failure));
        if (failure) break;
        share.begin();
        auto& text = run->output.*where;
        if (text.size() < most_output) text.append(buffer.data(), n);
        if (run->read && stream == &Run::out) run->read(text);
    }
    --run->open_outputs;
    run->changed.notify_all();
}

/// What it writes to is nobody's before it has gone, or hangs.
Task<> end_cancelled(std::shared_ptr<Run> run, const Progress& progress) {
    kill_all(*run);
    const auto last = Deadline::in(end_timeout);
    while (!run->ended && !last.expired()) (void)co_await run->changed.wait(last);
    progress.check();
}

Task<> feed(UniqueFd fd, std::string input) {
    StreamFd stream(co_await asio::this_coro::executor, fd.release());
    boost::system::error_code ignored;
    co_await asio::async_write(stream, asio::buffer(input), asio::redirect_error(use_task, ignored));
}

Task<> reap(std::shared_ptr<Run> run) {
    run->output.status = co_await wait_for_exit(run->process);
    run->ended = true;
    run->changed.notify_all();
}

} // namespace

Task<Process> spawn_process(Command command, Deadline by) {
    PendingProcess pending(command);
    command.fds.clear(); // the child has its own
    const auto report =
        std::make_shared<StreamFd>(co_await asio::this_coro::executor, duplicate(pending.report()).release());
    const CancelAt limit(report, by);
    boost::system::error_code woken;
    co_await report->async_wait(StreamFd::wait_read, asio::redirect_error(use_task, woken));
    if (!woken) co_return pending.finish();
    if (!by.expired()) throw cancelled(fmt::format("'{}'", command.program));
    throw Error(ErrorCode::operation_timeout, ErrorDomain::none,
                fmt::format("'{}' did not begin in time and was killed", command.program))
        .because("the program, or a file that it is given, lies on storage that does not answer");
}

Task<ExitStatus> wait_for_exit(Process& process) {
    StreamFd pidfd(co_await asio::this_coro::executor, duplicate(process.pidfd()).release());
    for (;;) {
        if (const auto status = process.poll()) co_return *status;
        co_await pidfd.async_wait(StreamFd::wait_read, use_task);
    }
}

Task<std::optional<ExitStatus>> wait_for_exit(Process& process, Deadline by) {
    const auto executor = co_await asio::this_coro::executor;
    const auto pidfd = std::make_shared<StreamFd>(executor, duplicate(process.pidfd()).release());
    const CancelAt limit(pidfd, by);
    for (;;) {
        if (const auto status = process.poll()) co_return status;
        if (by.expired()) co_return std::nullopt;
        boost::system::error_code woken;
        co_await pidfd->async_wait(StreamFd::wait_read, asio::redirect_error(use_task, woken));
        if (woken && !by.expired()) throw cancelled(fmt::format("waiting for process {}", process.pid()));
    }
}

Task<bool> end_process(Process& process, Clock::duration timeout) {
    for (const int number : {SIGTERM, SIGKILL}) {
        process.signal(number);
        const auto status = co_await wait_for_exit(process, Deadline::in(timeout));
        if (status) co_return true;
    }
    co_return false;
}

Task<CommandOutput> run_command(Command command, Deadline by, std::string input, Watch watch) {
    if (watch.progress) watch.progress->check();
    const auto executor = co_await asio::this_coro::executor;
    Pipe in, out, err;
    command.redirect(std::move(in.read_end), 0);
    command.redirect(std::move(out.write_end), 1);
    command.redirect(std::move(err.write_end), 2);
    const auto run = std::make_shared<Run>(executor);
    const auto name = command.program;
    auto process = co_await spawn_process(std::move(command), by);
    run->process = std::move(process);
    run->out.assign(out.read_end.release());
    run->err.assign(err.read_end.release());
    run->read = std::move(watch.read);
    const Ending ending(run);
    domus::spawn(executor, drain(run, &Run::out, &CommandOutput::out), name);
    domus::spawn(executor, drain(run, &Run::err, &CommandOutput::err), name);
    domus::spawn(executor, reap(run), name);
    domus::spawn(executor, feed(std::move(in.write_end), std::move(input)), name);
    auto look = Deadline::in(watch.every);
    while (!run->ended) {
        const auto next = next_look(watch, look, by);
        const bool told = co_await run->changed.wait(next);
        if (told) continue;
        if (!next.expired()) throw cancelled(fmt::format("'{}'", name));
        if (by.expired())
            throw Error(ErrorCode::operation_timeout, ErrorDomain::none,
                        fmt::format("'{}' did not end in time and was killed", name));
        if (watch.progress && watch.progress->cancelled()) co_await end_cancelled(run, *watch.progress);
        if (!watch.look || !look.expired()) continue;
        co_await watch.look();
        look = Deadline::in(watch.every);
    }
    const auto last = Deadline::in(others_timeout);
    while (run->open_outputs > 0) {
        const bool told = co_await run->changed.wait(last);
        if (!told) break;
    }
    co_return std::move(run->output);
}

} // namespace domus
