#include "image/chain.hpp"

#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace domus::image {

namespace {

using Identity = std::pair<dev_t, ino_t>;

Identity identity(const UniqueFd& fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    // Devices are known by their number, not by the node that names them.
    return S_ISBLK(info.st_mode) ? Identity{0, info.st_rdev} : Identity{info.st_dev, info.st_ino};
}

Header header_of(int fd, const std::string& path, const std::optional<std::string>& format) {
    try {
        return format ? read_header(fd, *format) : probe_header(fd);
    } catch (Error& error) {
        error.prefix(fmt::format("image '{}'", path));
        throw;
    }
}

Error without_format(const Link& link) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                 fmt::format("the format of backing image '{}' of image '{}' was not specified in the image metadata",
                             *link.header.backing_file, link.path))
        .hint(fmt::format("domus image rebase --unsafe --backing-format FORMAT --backing '{}' '{}'",
                          *link.header.backing_file, link.path));
}

Error too_long(const std::string& path) {
    return Error(ErrorCode::operation_failed, ErrorDomain::storage,
                 fmt::format("the backing chain of image '{}' is longer than {}", path, longest_chain));
}

Error loop(const std::string& path) {
    return Error(ErrorCode::operation_failed, ErrorDomain::storage,
                 fmt::format("the backing chain of image '{}' comes back to it", path));
}

} // namespace

UniqueFd open_image(const std::string& path) { return open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY); }

bool is_elsewhere(std::string_view named) {
    const auto colon = named.find(':'); // as QEMU has it: a protocol's name before the first slash
    return colon != named.npos && named.find('/') > colon && !named.starts_with("file:");
}

std::string beside(const std::string& image, std::string_view named) {
    if (named.starts_with("file:")) named.remove_prefix(5);
    const std::filesystem::path path(named);
    return path.is_absolute() ? path.string()
                              : (std::filesystem::path(image).parent_path() / path).lexically_normal().string();
}

Chain read_chain(const std::string& first, const std::optional<std::string>& first_format, const Opener& open) {
    Chain chain;
    std::vector<Identity> seen;
    auto path = first;
    auto format = first_format;
    while (true) {
        if (chain.links.size() == longest_chain) throw too_long(first);
        const auto fd = open(path);
        const auto who = identity(fd, path);
        if (std::ranges::find(seen, who) != seen.end()) throw loop(path);
        seen.push_back(who);
        auto& link = chain.links.emplace_back(path, header_of(fd.get(), path, format));
        const auto& named = link.header.backing_file;
        if (!named || named->empty()) return chain;
        // What "json:" describes has its format within.
        if (!link.header.backing_format && !named->starts_with("json:")) throw without_format(link);
        if (is_elsewhere(*named)) {
            chain.elsewhere = *named;
            return chain;
        }
        format = link.header.backing_format;
        path = beside(path, *named);
    }
}

} // namespace domus::image
