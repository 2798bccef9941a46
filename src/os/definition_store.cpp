#include "os/definition_store.hpp"

#include "base/log.hpp"

#include <sys/stat.h>

#include <iterator>

namespace domus {

namespace fs = std::filesystem;

namespace {

/// Before a definition whose file got a new name: if the old file is still there, the rename was cut off.
constexpr std::string_view renamed_mark = "<!-- renamed -->\n";

enum class There { nothing, folder, other };

There what_is(const fs::path& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0) return There::nothing;
    return S_ISDIR(info.st_mode) ? There::folder : There::other;
}

} // namespace

bool DefinitionStore::is_renamed(std::string_view text) { return text.starts_with(renamed_mark); }

void DefinitionStore::prepare() const {
    ensure_directory_durably(places_.definitions, places_.mode);
    if (!places_.autostart.empty()) ensure_directory_durably(places_.autostart, places_.mode);
}

Complaint DefinitionStore::reject(const std::string& name, const std::string& why) const {
    auto files = folder();
    files.reject(name, why);
    return files.complaints().front();
}

void DefinitionStore::save(const std::string& name, std::string_view text, bool fresh) const {
    folder().save(name, text, fresh);
}

void DefinitionStore::remove(const std::string& name) const {
    remove_durably(file(name));
    remove_link(name);
}

void DefinitionStore::remove(const std::string& name, const std::string& going,
                             const std::function<void()>& remove_parts) const {
    const auto kept = file(name), moved = going_file(going);
    (void)rename_durably(kept, moved); // false: somebody has removed it by hand
    try {
        remove_parts();
        remove_durably(moved);
    } catch (...) {
        std::error_code ignored;
        fs::rename(moved, kept, ignored);
        throw;
    }
    remove_link(name);
}

/// The next load() removes one that stays.
void DefinitionStore::remove_link(const std::string& name) const {
    if (!places_.autostart.empty()) remove_if_possible(link(name));
}

void DefinitionStore::rename(const std::string& from, const std::string& to, std::string_view text,
                             bool autostart) const {
    bool saved = false;
    try {
        if (autostart) set_autostart(to, true); // first: load() removes a link without a definition
        save(to, std::string(renamed_mark) + std::string(text), true);
        saved = true;
        remove(from);
    } catch (...) {
        std::error_code failure;
        if (saved) fs::remove(file(to), failure); // first: with it, the next load() would finish the rename
        if (autostart) fs::remove(link(to), failure);
        throw;
    }
}

void DefinitionStore::set_autostart(const std::string& name, bool on) const {
    const auto path = link(name);
    if (what_is(path) == There::folder)
        log::warning("set aside '{}' as '{}': it is a folder, not a link to a definition", path.string(),
                     set_aside(path).string());
    if (on)
        make_link_durably(file(name), path);
    else
        remove_durably(path);
}

/// A copy of the definition counts as well as a link to it, wherever that leads: as its name says, so it is meant.
bool DefinitionStore::autostarts(const std::string& name) const {
    return !places_.autostart.empty() && what_is(link(name)) == There::other;
}

std::vector<std::string> DefinitionStore::damage() const {
    auto lines = folder().aside();
    std::ranges::move(folder().unusable(), std::back_inserter(lines));
    if (!places_.autostart.empty())
        std::ranges::move(StoredFolder(places_.autostart, largest_definition).aside(), std::back_inserter(lines));
    return lines;
}

void log_complaints(const std::vector<Complaint>& complaints) {
    for (const auto& complaint : complaints) log::warning("{}", complaint.text);
}

} // namespace domus
