#include "os/stored_files.hpp"

#include "base/text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <tuple>

namespace domus {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view aside_mark = ".broken";

/// Neither the first nor the last of these file systems know RENAME_NOREPLACE (EINVAL); nobody else works in our folders.
bool rename_if_free(const fs::path& from, const fs::path& to) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
    struct stat info{};
    if (errno == EINVAL && ::lstat(to.c_str(), &info) < 0 && errno == ENOENT)
        if (::rename(from.c_str(), to.c_str()) == 0) return true;
    if (errno == EEXIST || errno == EINVAL || errno == ENOTEMPTY) return false;
    throw path_error(errno, "cannot set aside", from);
}

bool ours(uid_t uid) { return uid == 0 || uid == ::geteuid(); }

/// Whether set_aside() gave that name to a file that ended in `suffix`.
bool is_aside(std::string_view name, std::string_view suffix) {
    name = name.substr(0, name.find_last_not_of("0123456789") + 1);
    if (name.ends_with('-')) name.remove_suffix(1);
    return name.ends_with(aside_mark) && name.substr(0, name.size() - aside_mark.size()).ends_with(suffix);
}

/// Whether nobody but root and we can put a file there: then its files are ours, whoever owns them.
bool only_we_write(const fs::path& folder) {
    struct stat info{};
    return ::stat(folder.c_str(), &info) == 0 && ours(info.st_uid) && (info.st_mode & 022) == 0;
}

} // namespace

fs::path set_aside(const fs::path& path) {
    constexpr std::size_t longest_suffix = 12; // ".broken-9999"
    const auto extension = path.extension().string();
    const auto room = NAME_MAX - longest_suffix - std::min(extension.size(), longest_suffix);
    const auto kept =
        std::string(cut_text(path.stem().string(), room)) + std::string(cut_text(extension, longest_suffix));
    for (unsigned i = 1;; ++i) {
        const auto aside =
            path.parent_path()
            / (i == 1 ? fmt::format("{}{}", kept, aside_mark) : fmt::format("{}{}-{}", kept, aside_mark, i));
        if (rename_if_free(path, aside)) return aside;
    }
}

/// Without reading it: what kind of file it is, and whose.
void StoredFolder::look(Found& found) const {
    const auto path = file(found.name);
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) {
        found.gone = errno == ENOENT;
        found.fault = std::strerror(errno);
        return;
    }
    const bool link = S_ISLNK(info.st_mode);
    if (link && ::stat(path.c_str(), &info) < 0) {
        found.broken = errno == ELOOP;
        found.fault = fmt::format("where the symbolic link leads: {}", std::strerror(errno));
        return;
    }
    found.written = info.st_mtim;
    found.broken = true;
    if (!S_ISREG(info.st_mode))
        found.fault = fmt::format("it is {}, not a regular file", kind_of_file(info.st_mode));
    else if (static_cast<std::uint64_t>(info.st_size) > limit_)
        found.fault = fmt::format("it has {} bytes, more than {}", info.st_size, limit_);
    else
        found.broken = false;
    if (found.broken || ours(info.st_uid) || (!link && only_we_write(path_))) return;
    found.fault = fmt::format("its owner is uid {}, neither root nor the daemon's user; see 'chown'", info.st_uid);
}

std::vector<StoredFolder::Found> StoredFolder::list() {
    std::vector<Found> found;
    try {
        remove_leftovers(path_);
        for (const auto& name : names_in(path_))
            if (name.size() > suffix_.size() && name.ends_with(suffix_))
                found.emplace_back(name.substr(0, name.size() - suffix_.size()));
    } catch (const std::exception& error) {
        complaints_.push_back({"", path_, error.what()});
    }
    for (auto& each : found) look(each);
    const auto age = [](const Found& each) { return std::tie(each.written.tv_sec, each.written.tv_nsec); };
    std::ranges::stable_sort(found, {}, age);
    return found;
}

std::string StoredFolder::read(Found& found) const {
    if (!found.fault.empty() || found.gone) return {};
    try {
        return read_file(file(found.name), limit_);
    } catch (const std::exception& error) {
        found.fault = error.what();
        return {};
    }
}

void StoredFolder::settle(const Found& found) {
    if (found.gone) return;
    if (found.broken) return reject(found.name, found.fault);
    const auto path = file(found.name);
    complaints_.push_back(
        {found.name, path, fmt::format("cannot use '{}', which stays as it is: {}", path.string(), found.fault)});
}

void StoredFolder::reject(const std::string& name, const std::string& why) {
    const auto path = file(name);
    try {
        const auto aside = domus::set_aside(path);
        complaints_.push_back(
            {name, aside, fmt::format("set aside '{}' as '{}': {}", path.string(), aside.string(), why)});
    } catch (const std::exception& error) {
        complaints_.push_back({name, path, fmt::format("cannot use '{}': {}; {}", path.string(), why, error.what())});
    }
}

std::vector<std::string> StoredFolder::aside() const {
    std::vector<std::string> lines;
    for (const auto& name : names_in(path_))
        if (is_aside(name, suffix_)) lines.push_back(fmt::format("'{}' was set aside", (path_ / name).string()));
    return lines;
}

std::vector<std::string> StoredFolder::unusable() const {
    std::vector<std::string> lines;
    for (const auto& name : names_in(path_)) {
        if (name.size() <= suffix_.size() || !name.ends_with(suffix_)) continue;
        Found found(name.substr(0, name.size() - suffix_.size()));
        look(found);
        (void)read(found);
        if (!found.fault.empty() && !found.gone)
            lines.push_back(fmt::format("'{}' cannot be used: {}", (path_ / name).string(), found.fault));
    }
    return lines;
}

void StoredFolder::remove_lone_links(const fs::path& links) const try {
    const auto names = names_in(path_);
    for (const auto& link : names_in(links)) {
        const auto at = std::ranges::lower_bound(names, link); // what was set aside begins with its name
        std::error_code failure;
        if ((at == names.end() || !at->starts_with(link)) && fs::is_symlink(links / link, failure))
            fs::remove(links / link, failure);
    }
} catch (const Error&) {
    return; // what cannot be listed stays
}

void StoredFolder::require_readable(std::string_view text) const {
    if (text.size() <= limit_) return;
    throw Error(
        ErrorCode::xml_error, ErrorDomain::none,
        fmt::format("XML error: written out, the document has {} bytes; at most {} can be kept", text.size(), limit_));
}

void StoredFolder::save(const std::string& name, std::string_view text, bool fresh) const {
    require_readable(text);
    if (fresh) make_room(name);
    write_file_durably(file(name), text, 0600);
}

void StoredFolder::replace(const std::string& name, std::string_view text) const {
    require_readable(text);
    replace_file(file(name), text, 0600);
}

void StoredFolder::make_room(const std::string& name) const {
    const auto path = file(name);
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) {
        if (errno == ENOENT) return;
        throw path_error(errno, "cannot look at", path);
    }
    Found found(name);
    look(found);
    if (found.gone) return;
    (void)read(found);
    if (!found.fault.empty() && !found.broken)
        throw Error(ErrorCode::operation_failed, ErrorDomain::none,
                    fmt::format("operation failed: '{}' is there already and cannot be read", path.string()))
            .because(found.fault)
            .hint("make it readable and restart the daemon, or move it away");
    domus::set_aside(path);
}

} // namespace domus
