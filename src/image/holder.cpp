#include "image/holder.hpp"

#include "image/lease.hpp"
#include "os/files.hpp"
#include "os/host_name.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace domus::image {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t longest_proc_file = 1u << 20;

/// A file of /proc, or nothing: processes end while one looks at them, and some are none of our business.
std::string read_proc(const fs::path& path) {
    try {
        return read_file(path, longest_proc_file);
    } catch (const Error&) {
        return {};
    }
}

/// Whether that descriptor of a process has locks on that file. The number of the inode first: asking for more may
/// wait for whatever storage it lies on.
bool locks(const fs::path& process, const fs::path& descriptor, const struct stat& file) {
    const auto info = read_proc(process / "fdinfo" / descriptor);
    if (info.find("OFDLCK") == info.npos || info.find(fmt::format("ino:\t{}\n", file.st_ino)) == info.npos) return false;
    struct stat there {};
    return ::stat((process / "fd" / descriptor).c_str(), &there) == 0 && there.st_dev == file.st_dev
           && there.st_ino == file.st_ino;
}

bool holds(const fs::path& process, const struct stat& file) {
    std::error_code failure;
    for (fs::directory_iterator entry(process / "fdinfo", failure), end; entry != end; entry.increment(failure)) {
        if (failure) return false;
        if (locks(process, entry->path().filename(), file)) return true;
    }
    return false;
}

/// The argument behind an option of a command line as /proc has it.
std::string option_of(const std::string& line, std::string_view option) {
    const auto wanted = std::string(1, '\0') + std::string(option) + '\0';
    const auto at = line.find(wanted);
    return at == line.npos ? std::string() : std::string(line.c_str() + at + wanted.size());
}

/// Of "guest=NAME,debug-threads=on", where a comma in the name is doubled.
std::string guest_of(std::string_view words) {
    constexpr std::string_view key = "guest=";
    if (words.starts_with(key)) words.remove_prefix(key.size());
    std::string name;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == ',' && words.substr(i + 1, 1) != ",") break;
        name += words[i];
        if (words[i] == ',') ++i;
    }
    return name;
}

Holder describe_process(const fs::path& process, int pid) {
    Holder holder{.pid = pid, .program = read_proc(process / "comm"), .domain = {}, .uuid = {}, .host = {}};
    while (!holder.program.empty() && holder.program.back() == '\n') holder.program.pop_back();
    if (!holder.program.starts_with("qemu-system") && !holder.program.ends_with("kvm")) return holder;
    const auto line = read_proc(process / "cmdline");
    holder.domain = guest_of(option_of(line, "-name"));
    holder.uuid = option_of(line, "-uuid");
    return holder;
}

std::optional<Holder> find_process(const struct stat& file) {
    std::optional<Holder> ourselves;
    std::error_code failure;
    for (fs::directory_iterator entry("/proc", failure), end; entry != end; entry.increment(failure)) {
        if (failure) break;
        const auto name = entry->path().filename().string();
        if (name.find_first_not_of("0123456789") != name.npos || !holds(entry->path(), file)) continue;
        auto holder = describe_process(entry->path(), std::stoi(name));
        if (holder.pid != ::getpid()) return holder;
        ourselves = std::move(holder);
    }
    return ourselves;
}

} // namespace

std::string Holder::text() const {
    if (!host.empty()) return fmt::format("domain '{}' (uuid {}) on host '{}'", domain, uuid, host);
    if (!domain.empty()) return fmt::format("domain '{}' (uuid {}, process {})", domain, uuid, pid);
    if (pid == ::getpid()) return "another disk or task of this daemon";
    return fmt::format("process {} ({})", pid, program);
}

std::optional<Holder> find_holder(int fd, const std::string& path) {
    struct stat file {};
    if (::fstat(fd, &file) < 0) return std::nullopt;
    if (auto holder = find_process(file)) return holder;
    const auto lease = read_lease(path);
    if (!lease || lease->host == host_name()) return std::nullopt; // of a guest that has ended, and left it
    return Holder{.pid = 0, .program = {}, .domain = lease->domain, .uuid = lease->uuid, .host = lease->host};
}

std::string way_out(const std::optional<Holder>& holder, const std::string& path) {
    if (!holder) return fmt::format("'fuser -v {}' shows who has it open; over a network it may be another host", path);
    if (!holder->host.empty()) return fmt::format("shut the domain down on '{}' first", holder->host);
    if (!holder->domain.empty()) return fmt::format("shut the domain down first: 'domus shutdown {}'", holder->domain);
    return "wait until it is done";
}

Error in_use(const std::string& path, int fd) {
    const auto holder = find_holder(fd, path);
    return Error(ErrorCode::resource_busy, ErrorDomain::locking,
                 fmt::format("resource busy: the image '{}' is in use by {}", path, holder ? holder->text() : "somebody else"))
        .hint(way_out(holder, path));
}

} // namespace domus::image
