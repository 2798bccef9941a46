#include "compute/life/core_dumps.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view dump_date = "0000-00-00-00-00-00", dump_suffix = ".core"; ///< a digit for each 0

bool is_dump_date(std::string_view text) {
    const auto same_kind = [](char one, char other) { return other == '0' ? one >= '0' && one <= '9' : one == other; };
    return std::ranges::equal(text, dump_date, same_kind);
}

/// The oldest first.
std::vector<fs::path> dumps_of(const fs::path& folder, const std::string& domain) {
    std::vector<fs::path> dumps;
    for (const auto& name : names_in(folder))
        if (is_core_dump(name, domain)) dumps.push_back(folder / name);
    return dumps;
}

std::uint64_t space_of(const fs::path& file) {
    struct stat info{};
    return ::lstat(file.c_str(), &info) < 0 ? 0 : static_cast<std::uint64_t>(info.st_blocks) * 512;
}

void require_room(const fs::path& folder, ByteCount size, std::uint64_t freed) {
    struct statvfs disk{};
    if (::statvfs(folder.c_str(), &disk) < 0) throw path_error(errno, "cannot look at", folder);
    const auto reserve = kept_free({std::uint64_t{disk.f_blocks} * disk.f_frsize});
    const auto free = std::uint64_t{disk.f_bavail} * disk.f_frsize + freed;
    if (free >= reserve.bytes && free - reserve.bytes >= size.bytes) return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: there is no room for a dump in '{}'", folder.string()))
        .because(fmt::format("it takes {} MiB, {} MiB are free, and {} MiB of them stay free", size.bytes >> 20,
                             free >> 20, reserve.bytes >> 20))
        .hint(fmt::format("free space there: see 'df -h {0}' and 'ls -l {0}'", folder.string()));
}

} // namespace

bool is_core_dump(std::string_view file_name, std::string_view domain) {
    if (file_name.size() != domain.size() + 1 + dump_date.size() + dump_suffix.size()) return false;
    return file_name.starts_with(domain) && file_name[domain.size()] == '-'
           && is_dump_date(file_name.substr(domain.size() + 1, dump_date.size())) && file_name.ends_with(dump_suffix);
}

ByteCount kept_free(ByteCount disk) {
    constexpr auto most = ByteCount::gib(10);
    return std::min(ByteCount{disk.bytes / 10}, most);
}

CoreDump open_core_dump(const fs::path& folder, const std::string& domain, ByteCount size, unsigned kept,
                        std::time_t now) {
    ensure_directory(folder, 0700);
    auto going = dumps_of(folder, domain);
    const auto stay = std::size_t{std::max(kept, 1u)} - 1;
    going.resize(going.size() - std::min(going.size(), stay));
    std::uint64_t freed = 0;
    for (const auto& dump : going) freed += space_of(dump);
    require_room(folder, size, freed);
    for (const auto& dump : going) {
        if (::unlink(dump.c_str()) < 0 && errno != ENOENT) throw path_error(errno, "cannot remove", dump);
        log::info("removed the dump '{}': the newest {} of domain '{}' are kept", dump.string(), kept, domain);
    }
    auto path = folder / fmt::format("{}-{:%Y-%m-%d-%H-%M-%S}{}", domain, fmt::gmtime(now), dump_suffix);
    auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    return {std::move(fd), std::move(path)};
}

} // namespace domus::compute
