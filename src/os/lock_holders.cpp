#include "os/lock_holders.hpp"

#include "os/files.hpp"
#include "os/proc.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

namespace domus {

namespace fs = std::filesystem;

namespace {

bool closes_on_exec(const std::string& info) {
    constexpr std::string_view key = "flags:\t";
    const auto at = info.find(key);
    return at != info.npos && (std::strtol(info.c_str() + at + key.size(), nullptr, 8) & O_CLOEXEC) != 0;
}

/// Nothing if that descriptor of a process has no such lock on that file. The number of the inode is compared first: asking
/// for more may wait for whatever storage it lies on.
std::optional<LockHolder> holder_by(const fs::path& process, const fs::path& descriptor, const struct stat& file,
                                    LockKind kind) {
    const auto info = read_proc(process / "fdinfo" / descriptor);
    const auto word = kind == LockKind::flock ? ": FLOCK " : ": OFDLCK ";
    if (info.find(word) == info.npos || info.find(fmt::format("ino:\t{}\n", file.st_ino)) == info.npos)
        return std::nullopt;
    struct stat there{};
    if (::stat((process / "fd" / descriptor).c_str(), &there) < 0 || !same_file(there, file)) return std::nullopt;
    return LockHolder{std::atoi(process.filename().c_str()), !closes_on_exec(info)};
}

/// The descriptor that it keeps longest.
std::optional<LockHolder> holder_among(const fs::path& process, const struct stat& file, LockKind kind) {
    std::optional<LockHolder> found;
    std::error_code failure;
    for (fs::directory_iterator entry(process / "fdinfo", failure), end; !failure && entry != end;
         entry.increment(failure)) {
        const auto holder = holder_by(process, entry->path().filename(), file, kind);
        if (holder && (!found || holder->survives_exec)) found = holder;
    }
    return found;
}

/// Their folders in /proc.
std::vector<fs::path> all_processes() {
    std::vector<fs::path> processes;
    std::error_code failure;
    for (fs::directory_iterator entry("/proc", failure), end; !failure && entry != end; entry.increment(failure))
        if (entry->path().filename().string().find_first_not_of("0123456789") == std::string::npos)
            processes.push_back(entry->path());
    return processes;
}

} // namespace

std::vector<LockHolder> find_lock_holders(const struct stat& file, LockKind kind) {
    std::vector<LockHolder> holders;
    for (const auto& process : all_processes())
        if (const auto holder = holder_among(process, file, kind)) holders.push_back(*holder);
    return holders;
}

bool is_open_though_removed(const fs::path& file) {
    std::error_code failure;
    const auto name = fs::weakly_canonical(file, failure).string() + " (deleted)"; // as proc(5) shows it
    for (const auto& process : all_processes())
        for (fs::directory_iterator entry(process / "fd", failure), end; !failure && entry != end;
             entry.increment(failure)) {
            std::error_code closed;
            if (fs::read_symlink(entry->path(), closed) == name) return true;
        }
    return false;
}

std::vector<Process> lock_holding_processes(const struct stat& file, LockKind kind,
                                            std::chrono::milliseconds exec_timeout) {
    constexpr std::chrono::milliseconds pause{10};
    const auto by = std::chrono::steady_clock::now() + exec_timeout;
    auto holders = find_lock_holders(file, kind);
    const auto runs = [](const LockHolder& holder) { return holder.survives_exec || holder.pid == ::getpid(); };
    while (!std::ranges::all_of(holders, runs) && std::chrono::steady_clock::now() < by) {
        std::this_thread::sleep_for(pause);
        holders = find_lock_holders(file, kind);
    }
    std::ranges::sort(holders, {}, [](const LockHolder& holder) {
        return std::pair(!holder.survives_exec || ::getsid(holder.pid) != holder.pid, holder.pid);
    });
    std::vector<Process> processes;
    for (const auto& holder : holders) {
        const auto now = holder.pid == ::getpid() ? std::nullopt : read_process(holder.pid);
        if (!now) continue;
        if (auto process = Process::adopt(holder.pid, now->start_time)) processes.push_back(std::move(*process));
    }
    return processes;
}

bool holds_lock(int pid, const struct stat& file, LockKind kind) {
    const auto holder = holder_among(fmt::format("/proc/{}", pid), file, kind);
    return holder && holder->survives_exec;
}

} // namespace domus
