#include "compute/life/tpm_state.hpp"

#include "base/log.hpp"
#include "compute/life/tpm_modes.hpp"
#include "os/files.hpp"
#include "os/own_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

fs::path tpm_folders(const Folders& folders) { return folders.library.parent_path() / "swtpm"; }

void give_opened(int fd, const GuestUser& owner, const fs::path& path) {
    if (::fchownat(fd, "", owner.uid, owner.gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
        throw path_error(errno, "cannot give away", path);
}

void give_file(int folder, const std::string& name, const GuestUser& owner, const fs::path& path) {
    const UniqueFd file(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat info{};
    if (!file || ::fstat(file.get(), &info) < 0) throw path_error(errno, "cannot open", path);
    if (S_ISREG(info.st_mode) && info.st_nlink == 1) return give_opened(file.get(), owner, path);
    log::warning("'{}' is no part of a TPM's state: it keeps its owner", path.string());
}

} // namespace

const model::Tpm* emulated_tpm(const model::Domain& domain) {
    const auto& tpms = domain.devices.tpms;
    const auto found =
        std::ranges::find_if(tpms, [](const auto& tpm) { return tpm.backend.type == model::TpmBackendType::emulator; });
    return found == tpms.end() ? nullptr : &*found;
}

fs::path tpm_folder(const Folders& folders, const Uuid& uuid) { return tpm_folders(folders) / uuid.text(); }

fs::path tpm_state(const Folders& folders, const Uuid& uuid, model::TpmVersion version) {
    return tpm_folder(folders, uuid) / (version == model::TpmVersion::v1_2 ? "tpm1.2" : "tpm2");
}

fs::path unfinished_tpm_state(const fs::path& state) { return state.string() + ".new"; }

void begin_tpm_state(const fs::path& state, const GuestUser& maker) {
    const auto folder = state.parent_path(), made = unfinished_tpm_state(state);
    ensure_directory(folder.parent_path(), tpm_way_mode);
    ensure_directory(folder, tpm_way_mode);
    remove_tree(folder, made.filename());
    ensure_directory(made, tpm_state_mode);
    give_tpm_state(made, maker);
}

void finish_tpm_state(const fs::path& state) {
    const auto made = unfinished_tpm_state(state);
    give_tpm_state(made, own_user());
    if (::rename(made.c_str(), state.c_str()) < 0) throw path_error(errno, "cannot keep", state);
}

void drop_unfinished_tpm_state(const fs::path& state) {
    remove_tree(state.parent_path(), unfinished_tpm_state(state).filename());
    ::rmdir(state.parent_path().c_str()); // unless there is another
}

void give_tpm_state(const fs::path& state, const GuestUser& owner) {
    const auto folder = open_file(state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // First to us: its owner could still put something else in the place of what was looked at.
    give_opened(folder.get(), own_user(), state);
    for (const auto& name : names_in(state)) give_file(folder.get(), name, owner, state / name);
    give_opened(folder.get(), owner, state);
}

void take_back_tpm_state(const fs::path& folder) {
    for (const auto& name : names_in(folder)) give_tpm_state(folder / name, own_user());
}

bool tpm_state_goes(const model::Domain& domain, unsigned flags) {
    if (flags & undefine_tpm) return true;
    const auto* tpm = emulated_tpm(domain);
    return tpm && !(flags & undefine_keep_tpm) && !tpm->backend.persistent_state.value_or(false);
}

void remove_tpm_state(const Folders& folders, const Uuid& uuid) { remove_tree(tpm_folders(folders), uuid.text()); }

} // namespace domus::compute
