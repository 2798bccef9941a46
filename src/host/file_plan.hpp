// Changes of configuration files that are not made yet: what is read is as if they were. So what would be written can be
// shown, and all that is needed to take it back is known before anything is touched. Paths are those that the host's own
// programs know; they lie below a root. Reading blocks: use it in a lane. Throws Error.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace domus::host {

class FilePlan {
public:
    struct Change {
        std::optional<std::string> before, after; ///< nothing: there is no such file
        mode_t mode = 0644;                       ///< of the new file
    };

    explicit FilePlan(std::filesystem::path root) : root_(std::move(root)) {}

    /// Nothing where there is no such file.
    std::optional<std::string> read(const std::filesystem::path& path) const;
    /// Nothing happens where the file has these contents.
    void write(const std::filesystem::path& path, std::string contents, mode_t mode = 0644);
    void remove(const std::filesystem::path& path);
    /// Of a folder, sorted; none if there is no such folder.
    std::vector<std::string> names_in(const std::filesystem::path& folder) const;
    bool exists(const std::filesystem::path& path) const;

    const std::map<std::filesystem::path, Change>& changes() const { return changes_; }
    /// Where a path of the host lies.
    std::filesystem::path place(const std::filesystem::path& path) const { return root_ / path.relative_path(); }
    /// For people: each file that would be written, with its contents, and each that would go.
    std::string text() const;

private:
    std::optional<std::string> read_now(const std::filesystem::path& path) const;
    void put(const std::filesystem::path& path, std::optional<std::string> contents, mode_t mode);

    std::filesystem::path root_;
    std::map<std::filesystem::path, Change> changes_;
};

} // namespace domus::host
