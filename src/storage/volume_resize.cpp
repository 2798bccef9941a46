// New sizes of volumes that are files.
#include "storage/open_volume_file.hpp"
#include "storage/volume_file.hpp"

#include "os/files.hpp"
#include "storage/encryption.hpp"
#include "storage/named_files.hpp"
#include "storage/volume_making.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::storage {

namespace {

/// The space behind the end first, so that the file has its new size only when that is its own.
void resize_raw(const std::string& path, off_t size, bool reserve, Progress& progress) {
    const auto fd = open_volume_file(path, O_RDWR);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    const auto old = info.st_size;
    const auto take_back = [&] { (void)!::ftruncate(fd.get(), old); }; // what was reserved behind the end goes too
    int failure = 0;
    try {
        if (reserve && size > old)
            failure = allocate(fd.get(), static_cast<std::uint64_t>(old), static_cast<std::uint64_t>(size),
                               FALLOC_FL_KEEP_SIZE, progress);
    } catch (...) {
        take_back();
        throw;
    }
    if (failure == 0 && (::ftruncate(fd.get(), size) < 0 || ::fsync(fd.get()) < 0)) failure = errno;
    if (failure == 0) return;
    take_back();
    throw path_error(failure, reserve ? "cannot reserve space for" : "cannot resize", path)
        .hint("the volume is as it was");
}

} // namespace

Task<> resize_image(VolumePtr volume, std::shared_ptr<UniqueFd> file, std::string path, ByteCount capacity,
                    unsigned flags, std::string purpose, Site site) {
    const auto command = std::make_shared<Command>("qemu-img");
    auto check = [command, file, path, format = volume->target.format.value_or("raw")](const Opener& asker) {
        if (format == "raw") return; // it names nothing
        for (auto& named : hold_named_files(asker, path, *file, format)) command->pass(std::move(named));
    };
    co_await site.check_asker(std::move(check));
    auto look = [command, file, path, format = volume->target.format.value_or("raw")] {
        return name_for_program(*command, file, path, names_others(*file, format));
    };
    const auto name = co_await site.block(std::move(look));
    auto& words = command->arguments;
    words = {"resize", "-q"};
    if (flags & resize_flag::shrink) words.emplace_back("--shrink");
    if (flags & resize_flag::allocate) words.emplace_back("--preallocation=falloc");
    if (volume->target.encryption)
        words.insert(words.end(), {"--image-opts", encrypted_image(*volume, name, "volume-key")});
    else
        words.insert(words.end(), {"-f", volume->target.format.value_or("raw"), name});
    words.push_back(std::to_string(capacity.bytes));
    if (volume->target.encryption) co_await pass_key(command, "volume-key", key_of(*volume), site);
    // An image of qcow2 has its new size in the end; what it has lost before that by getting shorter is lost.
    const bool whole = volume->target.format == "qcow2" && !(flags & resize_flag::shrink);
    const auto where = whole ? site.cancellable() : site;
    (void)co_await where.run(std::move(*command), std::move(purpose));
}

Task<> resize_volume_file(VolumePtr volume, ByteCount capacity, unsigned flags, Site site) {
    const auto path = *volume->target.path;
    if (volume->target.format.value_or("raw") == "raw" && !volume->target.encryption) {
        auto work = [path, capacity, reserve = (flags & resize_flag::allocate) != 0, progress = site.progress()] {
            resize_raw(path, static_cast<off_t>(capacity.bytes), reserve, *progress);
        };
        co_await site.block(std::move(work));
        co_return;
    }
    auto purpose = fmt::format("resize volume '{}'", volume->name);
    auto open = [path] { return std::make_shared<UniqueFd>(open_volume_file(path, O_RDWR)); };
    auto file = co_await site.block(std::move(open));
    co_await resize_image(volume, std::move(file), path, capacity, flags, std::move(purpose), site);
}

} // namespace domus::storage
