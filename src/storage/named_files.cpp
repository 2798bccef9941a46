#include "storage/named_files.hpp"

#include "image/chain.hpp"
#include "image/holder.hpp"
#include "image/lock.hpp"
#include "os/files.hpp"
#include "storage/open_volume_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

namespace domus::storage {

namespace {

constexpr int for_reading = O_RDONLY | O_NONBLOCK | O_NOCTTY;

Error denied(const Opener& asker, const std::string& image, const std::string& name) {
    return Error(ErrorCode::operation_denied, ErrorDomain::storage,
                 fmt::format(
                     "operation denied: '{}' names '{}', which is not opened for uid {} with the rights of the pool",
                     image, name, asker.who.uid))
        .hint("put that image into the pool first: 'domus vol-create' and 'domus vol-upload'");
}

Error not_roots(const Opener& asker, const std::string& image) {
    return Error(ErrorCode::operation_denied, ErrorDomain::storage,
                 fmt::format("operation denied: '{}' is not opened for uid {} with the rights of the pool", image,
                             asker.who.uid))
        .because("users beside root may write to it, and change the files that it names")
        .hint(fmt::format("as root: 'chown root {0}; chmod go-w {0}'", image));
}

bool others_may_change(int fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd, &info) < 0) throw path_error(errno, "cannot look at", path);
    return info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH));
}

UniqueFd duplicate(const UniqueFd& file, const std::string& path) {
    UniqueFd fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) throw path_error(errno, "cannot open", path);
    return fd;
}

bool is_fixed_volume(const Opener& asker, const std::string& path) {
    return asker.in_pool(path) && !others_may_write_to(std::filesystem::path(path).parent_path());
}

std::vector<std::string> data_files(const image::Header& header) {
    std::vector<std::string> names;
    if (header.data_file) names.push_back(*header.data_file);
    for (const auto& extent : header.extents) names.push_back(extent.file);
    std::erase(names, "");
    return names;
}

} // namespace

void require_readable_backing(const Opener& asker, const std::string& image, const std::string& backing,
                              const std::optional<std::string>& format) {
    if (image::is_elsewhere(backing)) throw denied(asker, image, backing);
    const auto open = [&](const std::string& path) { return asker.open(path, for_reading); };
    const auto chain = image::read_chain(image::beside(image, backing), format, open);
    if (chain.elsewhere) throw denied(asker, chain.links.back().path, *chain.elsewhere);
}

HeldFiles hold_named_files(const Opener& asker, const std::string& image, const UniqueFd& file,
                           const std::string& format) {
    HeldFiles held;
    std::set<std::string> changeable;
    const auto open = [&](const std::string& path) {
        if (path == image) {
            if (others_may_change(file.get(), path)) changeable.insert(path);
            return duplicate(file, path);
        }
        if (!is_fixed_volume(asker, path)) throw denied(asker, image, path);
        auto fd = asker.open(path, for_reading);
        held.push_back(std::make_shared<UniqueFd>(asker.open(path, for_reading)));
        if (!image::claim(held.back()->get(), {})) throw image::in_use(path, fd.get());
        if (others_may_change(fd.get(), path)) changeable.insert(path);
        return fd;
    };
    const auto chain = image::read_chain(image, format, open);
    if (chain.elsewhere) throw denied(asker, chain.links.back().path, *chain.elsewhere);
    for (const auto& link : chain.links) {
        // The lock of an image keeps out QEMU, and no other program.
        if (link.header.format != "raw" && changeable.contains(link.path)) throw not_roots(asker, link.path);
        for (const auto& name : data_files(link.header)) {
            const auto path = image::beside(link.path, name);
            if (image::is_elsewhere(name) || !is_fixed_volume(asker, path)) throw denied(asker, link.path, name);
        }
    }
    return held;
}

} // namespace domus::storage
