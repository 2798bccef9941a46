// What has changed in a folder since one looked, by inotify(7): the kernel keeps the list, and reading it costs nothing
// where nothing changed. Nothing runs meanwhile.
#pragma once

#include "os/unique_fd.hpp"

#include <memory>
#include <set>
#include <string>

namespace domus::storage {

class FolderWatch {
public:
    /// Null where there is no such folder. Blocks as the folder does. Throws when it cannot be watched.
    static std::shared_ptr<FolderWatch> open(const std::string& folder);

    struct Changes {
        std::set<std::string> names; ///< entries that came, went, or were written
        bool unknown = false;        ///< too many to tell, or the folder itself went
        bool none() const { return names.empty() && !unknown; }
    };
    /// What came since the last time; never blocks.
    Changes take();

private:
    explicit FolderWatch(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

} // namespace domus::storage
