#include "storage/mounts.hpp"

#include "os/files.hpp"

#include <boost/algorithm/string/join.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <sstream>

namespace domus::storage {

namespace {

constexpr std::size_t largest_table = 16u << 20;

/// The kernel writes blanks and the like as \ooo.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 3)), nullptr, 8));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

/// Devices have several names: /dev/disk/by-label/x is /dev/sdb1.
bool same_source(const std::string& one, const std::string& other) {
    if (one == other) return true;
    std::error_code failure;
    return one.starts_with('/') && other.starts_with('/') && std::filesystem::equivalent(one, other, failure);
}

} // namespace

std::vector<Mount> parse_mounts(std::string_view text) {
    std::vector<Mount> mounts;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string word, folder;
        for (int i = 0; i < 5 && words >> word; ++i) folder = word;
        while (words >> word && word != "-") {
        }
        std::string type, source;
        if (words >> type >> source) mounts.push_back({unescape(source), unescape(folder), type});
    }
    return mounts;
}

std::optional<Mount> mounted_at(const std::string& folder) {
    std::optional<Mount> topmost;
    for (auto& mount : parse_mounts(read_file("/proc/self/mountinfo", largest_table)))
        if (mount.folder == folder) topmost = std::move(mount);
    return topmost;
}

Task<> mount(std::string source, std::string folder, std::string type, std::vector<std::string> options, Site site) {
    auto look = [source, folder] {
        const auto there = mounted_at(folder);
        if (there && !same_source(there->source, source))
            throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                        fmt::format("operation failed: '{}' is mounted on '{}' already", there->source, folder))
                .hint(fmt::format("unmount that, or give the pool another <target>: umount '{}'", folder));
        return there.has_value();
    };
    const bool there = co_await site.block(std::move(look));
    if (there) co_return;
    std::vector<std::string> arguments;
    if (!type.empty()) arguments.insert(arguments.end(), {"-t", type});
    if (!options.empty()) arguments.insert(arguments.end(), {"-o", boost::algorithm::join(options, ",")});
    arguments.insert(arguments.end(), {source, folder});
    const auto purpose = fmt::format("mount '{}' on '{}'", source, folder);
    (void)co_await site.run("mount", std::move(arguments), purpose);
}

Task<> unmount(std::string folder, Site site) {
    auto look = [folder] { return mounted_at(folder).has_value(); };
    const bool there = co_await site.block(std::move(look));
    if (!there) co_return;
    std::vector<std::string> arguments{folder};
    const auto purpose = fmt::format("unmount '{}'", folder);
    (void)co_await site.run("umount", std::move(arguments), purpose);
}

} // namespace domus::storage
