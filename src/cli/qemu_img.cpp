#include "cli/qemu_img.hpp"

#include "base/error.hpp"
#include "os/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>

namespace domus::cli {

namespace {

constexpr int redrawing_ms = 250;
constexpr std::size_t longest_answer = 256u << 20; // a map of an image has a line for each piece

struct Pipe {
    UniqueFd ours, theirs;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw system_error(errno, "cannot make a pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// False at the end.
bool read_some(UniqueFd& fd, std::string& into) {
    std::array<char, 16384> bytes;
    const auto n = ::read(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) return true;
    if (n > 0) into.append(bytes.data(), static_cast<std::size_t>(n));
    if (into.size() > longest_answer)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage, "qemu-img says more than anybody can read");
    if (n <= 0) fd.reset();
    return n > 0;
}

/// It writes "    (12.50/100%)\r" again and again.
void take_progress(std::string& out, ProgressBar& bar) {
    for (auto end = out.find('\r'); end != std::string::npos; end = out.find('\r')) {
        const auto open = out.find('(');
        double percent = 0;
        if (open < end && std::from_chars(&out[open + 1], &out[end], percent).ec == std::errc{})
            bar.show(percent / 100);
        out.erase(0, end + 1);
    }
}

void collect(UniqueFd& out, UniqueFd& err, ToolAnswer& answer, ProgressBar* bar) {
    while (out || err) {
        pollfd waiting[]{{.fd = out.get(), .events = POLLIN, .revents = 0},
                         {.fd = err.get(), .events = POLLIN, .revents = 0}};
        if (::poll(waiting, 2, bar ? redrawing_ms : -1) < 0 && errno != EINTR)
            throw system_error(errno, "cannot wait for qemu-img");
        if (waiting[0].revents) (void)read_some(out, answer.out);
        if (waiting[1].revents) (void)read_some(err, answer.problem);
        if (!bar) continue;
        take_progress(answer.out, *bar);
        bar->again();
    }
}

ExitStatus wait_for(Process& child) {
    pollfd waiting{.fd = child.pidfd(), .events = POLLIN, .revents = 0};
    while (true) {
        if (const auto status = child.poll()) return *status;
        if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) throw system_error(errno, "cannot wait for qemu-img");
    }
}

std::string trimmed(std::string text) {
    constexpr std::string_view name = "qemu-img: ";
    if (text.starts_with(name)) text.erase(0, name.size());
    text.resize(text.find_last_not_of(" \r\n") + 1);
    return text;
}

} // namespace

ToolAnswer run_qemu_img(std::vector<std::string> arguments, ProgressBar* bar) {
    auto out = make_pipe(), err = make_pipe();
    domus::Command command("qemu-img");
    command.arguments = std::move(arguments);
    command.new_session = false; // Ctrl-C reaches it as it reaches us
    command.death_signal = SIGTERM;
    command.redirect(std::move(out.theirs), STDOUT_FILENO);
    command.redirect(std::move(err.theirs), STDERR_FILENO);
    auto child = Process::spawn(command);
    command.fds.clear(); // ours of theirs: otherwise the pipes have no end
    ToolAnswer answer;
    collect(out.ours, err.ours, answer, bar);
    const auto status = wait_for(child);
    if (status.signal != 0)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage, fmt::format("qemu-img {}", status.text()));
    answer.code = status.code;
    answer.problem = trimmed(std::move(answer.problem));
    return answer;
}

void throw_problem(const ToolAnswer& answer) {
    Error error(ErrorCode::operation_failed, ErrorDomain::storage,
                answer.problem.empty() ? fmt::format("qemu-img ended with the code {}", answer.code) : answer.problem);
    if (answer.problem.find("lock") == std::string::npos) throw error;
    throw std::move(error).hint("another program uses the image at this moment");
}

std::string qemu_img(std::vector<std::string> arguments) {
    auto answer = run_qemu_img(std::move(arguments));
    if (answer.code != 0) throw_problem(answer);
    return std::move(answer.out);
}

} // namespace domus::cli
