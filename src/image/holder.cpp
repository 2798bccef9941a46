#include "image/holder.hpp"

#include "image/lease.hpp"
#include "os/host_name.hpp"
#include "os/lock_holders.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace domus::image {

namespace {

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

std::optional<Holder> find_process(const struct stat& file) {
    std::optional<Holder> ourselves;
    for (const auto& found : find_lock_holders(file, LockKind::ofd)) {
        auto holder = describe_holder(found.pid);
        if (holder.pid != ::getpid()) return holder;
        ourselves = std::move(holder);
    }
    return ourselves;
}

} // namespace

Holder describe_holder(int pid) {
    Holder holder{
        .pid = pid, .program = read_proc(fmt::format("/proc/{}/comm", pid)), .domain = {}, .uuid = {}, .host = {}};
    while (!holder.program.empty() && holder.program.back() == '\n') holder.program.pop_back();
    if (!holder.program.starts_with("qemu-system") && !holder.program.ends_with("kvm")) return holder;
    auto domain = domain_of(pid);
    holder.domain = std::move(domain.name);
    holder.uuid = std::move(domain.uuid);
    return holder;
}

NamedDomain domain_of(int pid) {
    const auto line = command_line_of(pid);
    return {.name = guest_of(argument_in(line, "-name")), .uuid = argument_in(line, "-uuid")};
}

std::string Holder::text() const {
    if (!host.empty()) return fmt::format("domain '{}' (uuid {}) on host '{}'", domain, uuid, host);
    if (!domain.empty()) return fmt::format("domain '{}' (uuid {}, process {})", domain, uuid, pid);
    if (pid == ::getpid()) return "another disk or task of this daemon";
    return fmt::format("process {} ({})", pid, program);
}

std::optional<Holder> find_holder(int fd, const std::string& path) {
    struct stat file{};
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
                 fmt::format("resource busy: the image '{}' is in use by {}", path,
                             holder ? holder->text() : "somebody else"))
        .hint(way_out(holder, path));
}

} // namespace domus::image
