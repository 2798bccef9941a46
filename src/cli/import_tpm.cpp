#include "cli/import_tpm.hpp"

#include "compute/life/tpm_modes.hpp"
#include "os/files.hpp"
#include "os/own_folder.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

namespace domus::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_state = 16u << 20;
constexpr mode_t mode_of_file = 0600;

bool is_real_folder(const fs::path& path) { return fs::is_directory(fs::symlink_status(path)); }

void copy_version(const fs::path& from, const fs::path& to) {
    ensure_directory(to, compute::tpm_state_mode);
    for (const auto& name : names_in(from)) {
        if (!fs::is_regular_file(fs::symlink_status(from / name)) || name.starts_with('.')) continue; // .lock
        const auto file = open_file(from / name, O_RDONLY | O_NOFOLLOW);
        write_file_durably(to / name, read_whole(file.get(), largest_state, from / name), mode_of_file);
    }
}

} // namespace

fs::path kept_tpm_state(const fs::path& configuration, const std::string& uuid) {
    const auto folder = configuration.has_filename() ? configuration : configuration.parent_path(); // "/etc/libvirt/"
    const auto above = folder.parent_path();
    const auto states = above.filename() == "etc" ? above.parent_path() / "var/lib/libvirt/swtpm"
                                                  : folder / "qemu/swtpm"; // of a session
    return states / uuid;
}

bool copy_tpm_state(const fs::path& kept, const fs::path& root, const std::string& uuid) {
    const auto states = root / "var/lib/domus/swtpm", state = states / uuid, made = states / (uuid + ".new");
    if (!is_real_folder(kept) || fs::exists(fs::symlink_status(state))) return false;
    ensure_directory(states, compute::tpm_way_mode);
    remove_tree(states, made.filename());
    ensure_directory(made, compute::tpm_way_mode);
    for (const char* version : {"tpm2", "tpm1.2"})
        if (is_real_folder(kept / version)) copy_version(kept / version, made / version);
    if (::rename(made.c_str(), state.c_str()) < 0) throw path_error(errno, "cannot keep", state);
    return true;
}

} // namespace domus::cli
