#include "storage/open_volume_file.hpp"

#include "image/chain.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace domus::storage {

namespace {

bool others_may_write(const struct stat& folder) {
    const bool ours = folder.st_uid == 0 || folder.st_uid == ::geteuid();
    return !ours || (folder.st_mode & (S_IWGRP | S_IWOTH));
}

} // namespace

UniqueFd try_open_volume_file(const std::string& path, int flags) {
    const std::filesystem::path whole(path);
    const UniqueFd folder(::open(whole.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat info{};
    if (!folder || ::fstat(folder.get(), &info) < 0) return {};
    if (others_may_write(info)) flags |= O_NOFOLLOW;
    return UniqueFd(::openat(folder.get(), whole.filename().c_str(), flags | O_CLOEXEC));
}

UniqueFd open_volume_file(const std::string& path, int flags) {
    auto fd = try_open_volume_file(path, flags);
    if (!fd) throw path_error(errno, "cannot open", path);
    return fd;
}

bool others_may_write_to(const std::string& folder) {
    struct stat info{};
    if (::stat(folder.c_str(), &info) < 0) throw path_error(errno, "cannot look at", folder);
    return others_may_write(info);
}

std::string name_for_program(Command& command, std::shared_ptr<UniqueFd> file, const std::string& path,
                             bool names_others) {
    if (!names_others) return fmt::format("/proc/self/fd/{}", command.pass(std::move(file)));
    const auto folder = std::filesystem::path(path).parent_path();
    if (!others_may_write_to(folder)) return path;
    throw Error(
        ErrorCode::config_unsupported, ErrorDomain::storage,
        fmt::format("unsupported configuration: '{}' names other files from its own folder, to which others may write",
                    path))
        .because("another file could be put in its place while qemu-img works on it")
        .hint(fmt::format("name its backing image by the whole path, or close the folder: 'chmod go-w {}'",
                          folder.string()));
}

bool is_relative(const std::string& name) { return !name.empty() && name[0] != '/' && !name.contains(':'); }

bool names_others(const UniqueFd& image, const std::string& format) {
    try {
        const auto header = image::read_header(image.get(), format);
        return is_relative(header.backing_file.value_or("")) || is_relative(header.data_file.value_or(""))
               || std::ranges::any_of(header.extents, is_relative, &image::Extent::file);
    } catch (const Error&) {
        return false;
    }
}

} // namespace domus::storage
