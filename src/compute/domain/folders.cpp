#include "compute/domain/folders.hpp"

#include "base/text.hpp"
#include "os/own_folder.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace fs = std::filesystem;

fs::path domain_folder(const Folders& folders, int id, const std::string& name) {
    return folders.library / fmt::format("{}{}-{}", domain_folder_prefix, id, cut_text(name, 20));
}

bool is_domain_folder(const Folders& folders, const fs::path& path) {
    std::error_code failure;
    return fs::equivalent(path.parent_path(), folders.library, failure)
           && path.filename().string().starts_with(domain_folder_prefix)
           && fs::is_directory(fs::symlink_status(path, failure));
}

void remove_domain_folder(const fs::path& folder) {
    remove_tree(folder.parent_path(), folder.filename(), run_lock_name);
}

} // namespace domus::compute
