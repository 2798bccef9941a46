#include "compute/life/run_folder.hpp"

#include "base/log.hpp"
#include "compute/domain/folders.hpp"
#include "compute/life/found_guests.hpp"
#include "os/files.hpp"
#include "os/own_folder.hpp"

#include <unistd.h>

namespace domus::compute {

using engine::share;

MadeRunFolders make_run_folders(const RunFolders& folders, const Settings& settings, std::uint32_t spread) {
    MadeRunFolders made;
    ensure_directory(folders.all, 0711);
    made.lock = share(acquire_run_lock(folders.all));
    try {
        made.user = settings.user;
        if (settings.user_ids) {
            const UserIds own{settings.user_ids->first + 1, settings.user_ids->count - 1};
            made.claim = UserIdClaim::make(own, spread, settings.user_id_lock);
            made.user = GuestUser{made.claim->uid(), made.claim->uid()};
        }
        ensure_directory(folders.staging, 0700);
        remove_tree(folders.all, std::filesystem::path(folders.own).filename()); // of a guest that had another user
        ensure_directory(folders.own, 0700);
        if (made.user && ::lchown(folders.own.c_str(), made.user->uid, made.user->gid) < 0)
            throw path_error(errno, "cannot give away", folders.own);
        return made;
    } catch (...) {
        compute::remove_domain_folder(folders.all);
        throw;
    }
}

Task<> remove_run_folder(Environment& environment, std::filesystem::path folder) {
    auto work = [folders = environment.store.folders(), folder] {
        std::error_code none;
        if (!std::filesystem::exists(std::filesystem::symlink_status(folder, none))) return;
        try {
            if (is_domain_folder(folders, folder))
                remove_domain_folder(folder);
            else
                log::error("'{}' is no folder of a domain below '{}': it stays", folder.string(),
                           folders.library.string());
        } catch (const Error& error) {
            log::warning("{}", error.text());
        }
    };
    co_await environment.files.run(Deadline::in(file_timeout), std::move(work));
}

} // namespace domus::compute
