#include "os/followers.hpp"

#include "os/proc.hpp"

#include <filesystem>
#include <map>

namespace domus {

namespace {

using Processes = std::map<int, ProcessStatistics>;

Processes all_processes() {
    Processes all;
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", failure)) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const int pid = std::stoi(name);
        if (const auto statistics = read_process(pid)) all.emplace(pid, *statistics);
    }
    return all;
}

bool follows(const Processes& all, int pid, int leader) {
    if (all.at(pid).session == leader) return true;
    // As many steps as there are processes: a pid that was used again meanwhile may close a circle.
    for (std::size_t steps = 0; steps < all.size(); ++steps) {
        const auto found = all.find(pid);
        if (found == all.end()) return false;
        pid = found->second.parent;
        if (pid == leader) return true;
    }
    return false;
}

} // namespace

std::vector<Process> followers_of(int leader, std::uint64_t start_time) {
    const auto all = all_processes();
    std::vector<Process> found;
    if (const auto now = all.find(leader); now != all.end() && now->second.start_time != start_time) return found;
    for (const auto& [pid, statistics] : all) {
        if (pid == leader || !follows(all, pid, leader)) continue;
        if (auto process = Process::adopt(pid, statistics.start_time)) found.push_back(std::move(*process));
    }
    return found;
}

} // namespace domus
