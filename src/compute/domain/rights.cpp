#include "compute/domain/rights.hpp"

#include "os/access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 2> emulator_folders{"/usr/bin", "/usr/local/bin"};

Error denied(std::string what) {
    return Error(ErrorCode::operation_denied, ErrorDomain::qemu, "operation denied: " + std::move(what));
}

/// A program that root alone can have put there.
bool is_of_root(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == 0
           && !(info.st_mode & (S_IWGRP | S_IWOTH));
}

bool is_of_system(const fs::path& path) {
    const auto name = path.filename().string();
    if (!name.starts_with("qemu-system-") && name != "qemu-kvm" && name != "kvm") return false;
    return std::ranges::find(emulator_folders, path.parent_path().string()) != emulator_folders.end();
}

std::string hint_of(std::string_view rule) {
    return fmt::format("root may, and whoever is named in [rights] {} of domus.toml", rule);
}

/// What `access` of the kernel says with the caller's rights, or the errno.
int try_access(const fs::path& path, int mode) {
    return ::syscall(SYS_faccessat2, AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

/// Of what is made there: the folder must be open to the caller, and an old one theirs to change.
int try_making(const fs::path& path, bool socket) {
    const int there = socket ? 0 : try_access(path, W_OK);
    if (!socket && there != ENOENT) return there;
    return try_access(path.parent_path(), W_OK | X_OK);
}

int try_use(const fs::path& path, Use use) {
    switch (use) {
    case Use::read:
        return try_access(path, R_OK);
    case Use::write:
        return try_access(path, R_OK | W_OK);
    case Use::connect:
        return try_access(path, W_OK);
    case Use::create:
        return try_making(path, false);
    case Use::listen:
        return try_making(path, true);
    case Use::folder:
        return try_access(path, R_OK | X_OK);
    case Use::tree:
        return try_access(path, R_OK | W_OK | X_OK);
    case Use::helper:
        return is_of_root(path)
                       && std::ranges::find(emulator_folders, path.parent_path().string()) != emulator_folders.end()
                   ? 0
                   : EACCES;
    }
    return EACCES;
}

/// Whose rights open it: those of the pool that it lies in, or the caller's.
Credentials opening_user(const Opener& caller, const fs::path& path, Use use) {
    const bool of_pool = (use == Use::read || use == Use::write) && caller.in_pool(path);
    if (!of_pool) return caller.who;
    const auto folder = caller.pools.folders.find(path.lexically_normal().parent_path());
    return folder == caller.pools.folders.end() ? own_credentials() : folder->second;
}

} // namespace

void require_emulator(const Rules& rules, const Credentials& who, const std::string& path) {
    if (path.empty() || who.unrestricted()) return;
    const bool listed = rules.emulators.empty() ? is_of_system(path) && (is_of_root(path) || !fs::exists(path))
                                                : std::ranges::find(rules.emulators, path) != rules.emulators.end();
    if (listed) return;
    throw denied(fmt::format("uid {} may not name the emulator '{}'", who.uid, path))
        .hint(rules.emulators.empty()
                  ? "it must be a qemu-system-... of root in /usr/bin or /usr/local/bin; others root lists in [qemu] "
                    "emulators of domus.toml"
                  : fmt::format("allowed by [qemu] emulators of domus.toml: {}", fmt::join(rules.emulators, ", ")));
}

void require_command_line(const Rules& rules, const Credentials& who, std::string_view what) {
    if (rules.command_line.includes(who)) return;
    throw denied(fmt::format("uid {} may not give QEMU {}", who.uid, what)).hint(hint_of("qemu_commandline"));
}

void require_allowed(const Rules& rules, const Credentials& who, const model::Domain& domain) {
    if (who.unrestricted()) return;
    require_emulator(rules, who, domain.devices.emulator.value_or(""));
    if (!domain.qemu.arguments.empty() || !domain.qemu.environment.empty())
        require_command_line(rules, who, "arguments of its own: <qemu:commandline>");
    const bool of_host =
        !domain.devices.hostdevs.empty()
        || std::ranges::any_of(domain.devices.interfaces,
                               [](const auto& one) { return one.type == model::InterfaceType::hostdev; })
        || std::ranges::any_of(domain.devices.disks, [](const auto& one) { return one.type == model::DiskType::nvme; });
    if (of_host && !rules.host_devices.includes(who))
        throw denied(fmt::format("uid {} may not give guests devices of the host", who.uid))
            .hint(hint_of("host_devices"));
}

void judge_paths(const Opener& caller, const model::Domain& domain) {
    if (caller.who.unrestricted()) return;
    for (const auto& [path, use, element] : named_paths(domain)) {
        const FileSystemIdentity identity(opening_user(caller, path, use));
        const int number = try_use(path, use);
        if (number == 0 || number == ENOENT || number == ENOTDIR) continue;
        auto error = path_error(number, fmt::format("{}: uid {} may not use", element, caller.who.uid), path);
        throw std::move(error).hint("what a definition names must be open to whoever defines or starts it, or lie in "
                                    "the folder of an active storage pool");
    }
}

} // namespace domus::compute
