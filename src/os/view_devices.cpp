#include "os/view_devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace domus {

namespace {

struct Node {
    std::string path;
    mode_t type;
    dev_t number;
};

/// Looked up here, before the thread sees another root.
std::vector<Node> nodes_of(const std::vector<std::string>& paths) {
    std::vector<Node> nodes;
    struct stat info{};
    for (const auto& path : paths)
        if (::stat(path.c_str(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)))
            nodes.push_back({path, info.st_mode & S_IFMT, info.st_rdev});
    return nodes;
}

int pid_of(int pidfd) {
    std::ifstream info(fmt::format("/proc/self/fdinfo/{}", pidfd));
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("Pid:")) return std::stoi(line.substr(4));
    return -1;
}

bool sees_what_we_see(int pidfd) {
    std::error_code gone;
    const auto its = std::filesystem::read_symlink(fmt::format("/proc/{}/ns/mnt", pid_of(pidfd)), gone);
    return gone || its == std::filesystem::read_symlink("/proc/self/ns/mnt", gone);
}

/// In a thread that leaves our root for that of the process, and ends there. `work` returns false with errno.
void inside(int pidfd, const std::function<bool()>& work) {
    int number = 0;
    std::thread([&] {
        if (::unshare(CLONE_FS) < 0 || ::setns(pidfd, CLONE_NEWNS) < 0 || !work()) number = errno;
    }).join();
    if (number != 0) throw system_error(number, "cannot change the devices that a process sees");
}

void make_folders(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1))
        ::mkdir(path.substr(0, slash).c_str(), 0755);
}

bool make(const Node& node, uid_t uid, gid_t gid) {
    constexpr mode_t own_mode = 0600;
    make_folders(node.path);
    const bool there = ::mknod(node.path.c_str(), node.type | own_mode, node.number) == 0 || errno == EEXIST;
    return there && ::chown(node.path.c_str(), uid, gid) == 0;
}

} // namespace

void add_devices(int pidfd, const std::vector<std::string>& paths, uid_t uid, gid_t gid) {
    const auto nodes = nodes_of(paths);
    if (nodes.empty() || sees_what_we_see(pidfd)) return;
    inside(pidfd, [&] {
        for (const auto& node : nodes)
            if (!make(node, uid, gid)) return false;
        return true;
    });
}

void take_devices(int pidfd, const std::vector<std::string>& paths) {
    if (paths.empty() || sees_what_we_see(pidfd)) return;
    inside(pidfd, [&] {
        for (const auto& path : paths)
            if (::unlink(path.c_str()) < 0 && errno != ENOENT) return false;
        return true;
    });
}

} // namespace domus
