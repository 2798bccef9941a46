#include "async/process_wait.hpp"

#include "async/signal.hpp"
#include "async/spawn.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>

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

/// What goes on beside the one who waits; shared, so that it may be left behind.
struct Run {
    explicit Run(const Executor& executor) : ended(executor) {}
    Process process;
    CommandOutput output;
    int open_ends = 0;
    Notice ended;

    void end_one() {
        if (--open_ends == 0) ended.notify_all();
    }
};

Task<> drain(std::shared_ptr<Run> run, UniqueFd fd, std::string CommandOutput::*where) {
    StreamFd stream(co_await asio::this_coro::executor, fd.release());
    std::array<char, 8192> buffer;
    for (;;) {
        boost::system::error_code failure;
        const auto n = co_await stream.async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, failure));
        if (failure) break;
        auto& text = run->output.*where;
        if (text.size() < most_output) text.append(buffer.data(), n);
    }
    run->end_one();
}

Task<> feed(UniqueFd fd, std::string input) {
    StreamFd stream(co_await asio::this_coro::executor, fd.release());
    boost::system::error_code ignored;
    co_await asio::async_write(stream, asio::buffer(input), asio::redirect_error(use_task, ignored));
}

Task<> reap(std::shared_ptr<Run> run) {
    run->output.status = co_await wait_for_exit(run->process);
    run->end_one();
}

} // namespace

Task<ExitStatus> wait_for_exit(Process& process) {
    StreamFd pidfd(co_await asio::this_coro::executor, duplicate(process.pidfd()).release());
    for (;;) {
        if (const auto status = process.poll()) co_return *status;
        co_await pidfd.async_wait(StreamFd::wait_read, use_task);
    }
}

Task<CommandOutput> run_command(Command command, Deadline by, std::string input) {
    const auto executor = co_await asio::this_coro::executor;
    Pipe in, out, err;
    command.redirect(std::move(in.read_end), 0);
    command.redirect(std::move(out.write_end), 1);
    command.redirect(std::move(err.write_end), 2);
    const auto run = std::make_shared<Run>(executor);
    run->process = Process::spawn(command);
    const auto name = command.program;
    command.fds.clear(); // our copies of the child's ends
    run->open_ends = 3;
    domus::spawn(executor, drain(run, std::move(out.read_end), &CommandOutput::out), name);
    domus::spawn(executor, drain(run, std::move(err.read_end), &CommandOutput::err), name);
    domus::spawn(executor, reap(run), name);
    domus::spawn(executor, feed(std::move(in.write_end), std::move(input)), name);
    if (co_await run->ended.wait(by)) co_return std::move(run->output);
    run->process.signal(SIGKILL);
    throw Error(ErrorCode::operation_timeout, ErrorDomain::none, fmt::format("'{}' did not end in time and was killed", name));
}

} // namespace domus
