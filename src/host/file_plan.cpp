#include "host/file_plan.hpp"

#include "os/files.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host {

namespace fs = std::filesystem;

std::optional<std::string> FilePlan::read_now(const fs::path& path) const {
    constexpr std::size_t most = 1u << 20;
    std::error_code ignored;
    if (!fs::exists(place(path), ignored)) return std::nullopt;
    return read_file(place(path), most);
}

std::optional<std::string> FilePlan::read(const fs::path& path) const {
    const auto found = changes_.find(path);
    return found == changes_.end() ? read_now(path) : found->second.after;
}

void FilePlan::put(const fs::path& path, std::optional<std::string> contents, mode_t mode) {
    auto found = changes_.find(path);
    if (found == changes_.end()) found = changes_.emplace(path, Change{read_now(path), {}, mode}).first;
    found->second.after = std::move(contents);
    if (found->second.after == found->second.before) changes_.erase(found);
}

void FilePlan::write(const fs::path& path, std::string contents, mode_t mode) { put(path, std::move(contents), mode); }

void FilePlan::remove(const fs::path& path) { put(path, std::nullopt, 0); }

std::vector<std::string> FilePlan::names_in(const fs::path& folder) const {
    auto names = domus::names_in(place(folder));
    for (const auto& [path, change] : changes_) {
        if (path.parent_path() != folder) continue;
        std::erase(names, path.filename().string());
        if (change.after) names.push_back(path.filename().string());
    }
    std::ranges::sort(names);
    return names;
}

bool FilePlan::exists(const fs::path& path) const {
    const auto found = changes_.find(path);
    if (found != changes_.end()) return found->second.after.has_value();
    std::error_code ignored;
    return fs::exists(place(path), ignored);
}

std::string FilePlan::text() const {
    std::string out;
    for (const auto& [path, change] : changes_) {
        if (!change.after)
            out += fmt::format("--- {}: removed\n", path.string());
        else
            out += fmt::format("--- {}{}\n{}", path.string(), change.before ? "" : ": new", *change.after);
        if (!out.ends_with('\n')) out += '\n';
    }
    return out;
}

} // namespace domus::host
