#include "storage/block_volume.hpp"

#include "os/files.hpp"
#include "storage/conversion.hpp"
#include "storage/volume_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace domus::storage {

namespace {

using namespace std::chrono_literals;

std::uint64_t size_of(int fd, const std::string& path) {
    std::uint64_t bytes = 0;
    if (::ioctl(fd, BLKGETSIZE64, &bytes) < 0) throw path_error(errno, "cannot find the size of", path);
    return bytes;
}

void give_permissions(const std::string& path, const model::Permissions& permissions) {
    if (permissions.mode)
        if (::chmod(path.c_str(), static_cast<mode_t>(std::stoul(*permissions.mode, nullptr, 8))) < 0)
            throw path_error(errno, "cannot set the mode of", path);
    if (!permissions.owner && !permissions.group) return;
    if (::chown(path.c_str(), static_cast<uid_t>(permissions.owner.value_or(-1)),
                static_cast<gid_t>(permissions.group.value_or(-1)))
        < 0)
        throw path_error(errno, "cannot give away", path);
}

Task<> wait_for_device(std::string path, Site site) {
    const auto until = Deadline::in(10s);
    for (;;) {
        auto look = [path] {
            std::error_code failure;
            return std::filesystem::exists(path, failure);
        };
        const bool there = co_await site.block(std::move(look));
        if (there) co_return;
        if (until.expired())
            throw path_error(ENOENT, "no device appeared as", path).hint("look whether udev runs: 'udevadm settle'");
        co_await sleep_until(Deadline::in(20ms));
    }
}

} // namespace

model::Volume read_block_volume(const std::string& path, const std::string& name, const std::string& key) {
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    if (!S_ISBLK(info.st_mode)) throw path_error(ENOTBLK, "cannot use", path);
    model::Volume volume;
    volume.type = model::VolumeType::block;
    volume.name = name;
    volume.key = key;
    volume.target.path = path;
    volume.target.format = "raw";
    volume.target.permissions = permissions_of(info);
    volume.target.timestamps = timestamps_of(info);
    volume.capacity = volume.allocation = volume.physical = ByteCount{size_of(fd.get(), path)};
    return volume;
}

std::optional<model::Volume> measure_block_volume(const model::Volume& known) {
    const UniqueFd fd(::open(known.target.path->c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return std::nullopt;
    auto volume = known;
    const ByteCount size{size_of(fd.get(), *known.target.path)};
    if (volume.allocation == volume.capacity) volume.allocation = size; // not so where it is thin
    volume.capacity = volume.physical = size;
    return volume;
}

void admit_block_volume(const model::Volume& wanted) {
    if (!wanted.capacity || wanted.capacity->bytes == 0)
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: volume '{}' has no <capacity>", wanted.name));
    if (wanted.target.encryption)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    "unsupported configuration: this version does not make encrypted volumes on block devices")
            .hint("use qcow2 or luks in a folder's pool, or encrypt inside the guest");
}

Task<> fill_device(std::string path, Origin from, Site site) {
    auto check = [path, volume = from.volume] {
        const auto there = size_of(open_file(path, O_RDONLY).get(), path);
        const auto needed = volume->capacity.value_or(ByteCount{0}).bytes;
        if (there < needed)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        fmt::format("invalid argument: volume '{}' has {} bytes, '{}' holds {}", volume->name, needed,
                                    path, there));
    };
    co_await site.block(std::move(check));
    model::Volume raw;
    raw.name = from.volume->name;
    raw.target.format = "raw";
    std::vector<std::string> options{"-n"};
    const auto purpose = fmt::format("copy volume '{}' to '{}'", from.volume->name, path);
    const auto command = co_await conversion(from, std::move(raw), std::move(options), site);
    command->arguments.push_back(std::move(path));
    co_await convert(command, false, from.volume->capacity.value_or(ByteCount{0}), purpose, beside(from, site));
}

std::string device_source(const std::string& path) {
    std::error_code failure;
    const auto real = std::filesystem::canonical(path, failure);
    return "device " + (failure ? path : real.string());
}

Task<> require_blank(std::string device, Site site) {
    std::vector<std::string> probing{"-p", "-o", "export", device};
    const auto found = co_await site.attempt("blkid", std::move(probing));
    constexpr int nothing_there = 2;
    if (found.status.code == nothing_there) co_return;
    throw Error(ErrorCode::storage_pool_built, ErrorDomain::storage,
                fmt::format("storage pool already built: '{}' holds data, or cannot be read", device))
        .because(found.out + found.err)
        .hint("take --overwrite if what it holds is to be lost");
}

Task<> settle_device(std::string path, model::Permissions permissions, Site site) {
    co_await wait_for_device(path, site);
    auto work = [path, permissions] { give_permissions(path, permissions); };
    co_await site.block(std::move(work));
}

} // namespace domus::storage
