#include "os/terminal.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <string_view>

namespace domus {

namespace {

constexpr std::string_view folder = "/dev/pts/";

/// Whether it holds the master of that terminal: the kernel shows the number of each (proc(5), fdinfo).
bool has_master(int pid, std::string_view number) {
    const auto wanted = fmt::format("\ntty-index:\t{}\n", number);
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fdinfo", pid), failure)) {
        try {
            if (read_file(entry.path(), 1u << 20).find(wanted) != std::string::npos) return true;
        } catch (const Error&) {
            continue; // closed just now
        }
    }
    return false;
}

} // namespace

UniqueFd open_terminal_of(int pid, const std::string& path) {
    const auto number = path.starts_with(folder) ? std::string_view(path).substr(folder.size()) : std::string_view{};
    const bool plain = !number.empty() && number.find_first_not_of("0123456789") == number.npos;
    if (plain && has_master(pid, number)) {
        auto fd = open_file(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
        if (::isatty(fd.get())) return fd;
    }
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                fmt::format("internal error: '{}' is not a terminal of process {}", path, pid));
}

} // namespace domus
