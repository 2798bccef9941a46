#include "os/proc.hpp"

#include "os/files.hpp"
#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace domus {

namespace {

std::optional<ProcessStatistics> parse(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::nullopt;
    char buffer[2048];
    const auto n = ::read(fd.get(), buffer, sizeof buffer);
    if (n <= 0) return std::nullopt;
    std::string_view text(buffer, static_cast<std::size_t>(n));
    // The name in parentheses may hold anything; the fields follow the last parenthesis, from field 3 on.
    const auto end = text.rfind(')');
    if (end == text.npos || end + 2 >= text.size()) return std::nullopt;
    text.remove_prefix(end + 2);
    ProcessStatistics statistics;
    const auto tick_ns = 1'000'000'000u / static_cast<unsigned>(::sysconf(_SC_CLK_TCK));
    statistics.state = text[0];
    for (int field = 3; !text.empty(); ++field) {
        const auto blank = std::min(text.find(' '), text.size());
        std::uint64_t value = 0;
        std::from_chars(text.data(), text.data() + blank, value);
        if (field == 4)
            statistics.parent = static_cast<int>(value);
        else if (field == 6)
            statistics.session = static_cast<int>(value);
        else if (field == 14)
            statistics.user_time_ns = value * tick_ns;
        else if (field == 15)
            statistics.system_time_ns = value * tick_ns;
        else if (field == 22)
            statistics.start_time = value;
        else if (field == 24)
            statistics.resident.bytes = value * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        else if (field == 39)
            statistics.processor = static_cast<int>(value);
        text.remove_prefix(std::min(blank + 1, text.size()));
    }
    return statistics;
}

} // namespace

std::string read_proc(const std::filesystem::path& path) {
    constexpr std::size_t longest = 4u << 20;
    try {
        return read_file(path, longest);
    } catch (const Error&) {
        return {};
    }
}

std::string command_line_of(int pid) { return read_proc(fmt::format("/proc/{}/cmdline", pid)); }

std::string argument_in(const std::string& command_line, std::string_view option) {
    const auto wanted = std::string(1, '\0') + std::string(option) + '\0';
    const auto at = command_line.find(wanted);
    return at == command_line.npos ? std::string() : std::string(command_line.c_str() + at + wanted.size());
}

std::optional<ProcessUser> user_of(int pid) {
    const auto status = read_proc(fmt::format("/proc/{}/status", pid));
    const auto number = [&](std::string_view key) -> std::optional<unsigned> {
        const auto at = status.find(key);
        if (at == status.npos) return std::nullopt;
        unsigned value = 0; // the real one, the first of four
        const auto* begin = status.data() + at + key.size();
        if (std::from_chars(begin, status.data() + status.size(), value).ec != std::errc{}) return std::nullopt;
        return value;
    };
    const auto uid = number("\nUid:\t"), gid = number("\nGid:\t");
    if (!uid || !gid) return std::nullopt;
    return ProcessUser{*uid, *gid};
}

std::optional<ProcessStatistics> read_process(int pid) { return parse(fmt::format("/proc/{}/stat", pid)); }

std::optional<ProcessStatistics> read_thread(int pid, int thread) {
    return parse(fmt::format("/proc/{}/task/{}/stat", pid, thread));
}

} // namespace domus
