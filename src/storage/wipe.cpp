#include "storage/wipe.hpp"

#include "os/files.hpp"
#include "os/write_at.hpp"
#include "storage/open_volume_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace domus::storage {

namespace {

constexpr std::size_t chunk = 1u << 20;

enum : unsigned { zero = 0, trim = 9 };
/// From the algorithm 1 on: names of scrub's patterns.
constexpr std::array<std::string_view, 8> patterns{"nnsa",     "dod",       "bsi",        "gutmann",
                                                   "schneier", "pfitzner7", "pfitzner33", "random"};

struct Target {
    UniqueFd fd;
    bool device;
    std::uint64_t size;
};

Target open_target(const std::string& path) {
    Target target{open_volume_file(path, O_RDWR), false, 0};
    struct stat info{};
    if (::fstat(target.fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    target.device = S_ISBLK(info.st_mode);
    target.size = static_cast<std::uint64_t>(target.device ? ::lseek(target.fd.get(), 0, SEEK_END) : info.st_size);
    return target;
}

void write_zeros(const std::string& path, Progress& progress) {
    const auto target = open_target(path);
    progress.expect(target.size);
    const std::string zeros(chunk, '\0');
    for (std::uint64_t at = 0; at < target.size; at += zeros.size()) {
        progress.check();
        const auto piece = std::string_view(zeros).substr(0, std::min<std::uint64_t>(zeros.size(), target.size - at));
        if (write_at(target.fd.get(), piece, at) < piece.size()) throw path_error(errno, "cannot overwrite", path);
        progress.advance(piece.size());
    }
    if (::fsync(target.fd.get()) < 0) throw path_error(errno, "cannot overwrite", path);
}

void discard(const std::string& path) {
    const auto target = open_target(path);
    if (target.size == 0) return; // the kernel refuses to discard nothing
    std::array<std::uint64_t, 2> range{0, target.size};
    const int result = target.device ? ::ioctl(target.fd.get(), BLKDISCARD, range.data())
                                     : ::fallocate(target.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                                   static_cast<off_t>(target.size));
    if (result < 0) throw path_error(errno, "cannot discard the blocks of", path).hint("take the algorithm 'zero'");
}

} // namespace

Task<> wipe(std::string path, unsigned algorithm, Site site) {
    if (algorithm == zero || algorithm == trim) {
        auto work = [path, algorithm, progress = site.progress()] {
            algorithm == zero ? write_zeros(path, *progress) : discard(path);
        };
        co_await site.block(std::move(work));
        co_return;
    }
    if (algorithm > patterns.size())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                    fmt::format("invalid argument: wiping algorithm {} is unknown", algorithm));
    auto open = [path] { return std::make_shared<UniqueFd>(open_volume_file(path, O_RDWR)); };
    auto file = co_await site.block(std::move(open));
    Command command("scrub");
    command.death_signal = SIGTERM;
    command.arguments = {"-f", "-p", std::string(patterns[algorithm - 1])};
    command.arguments.push_back(name_for_program(command, std::move(file), path, false));
    const auto purpose = fmt::format("overwrite '{}'", path);
    (void)co_await site.cancellable().run(std::move(command), purpose);
}

} // namespace domus::storage
