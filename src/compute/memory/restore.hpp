// Steps of starts that go on from saved memory, and what a daemon that ended in the middle of a save or restore leaves to the
// next one.
#pragma once

#include "compute/life/life.hpp"

#include <memory>

namespace domus::compute {

struct ManagedSave {
    Restore restore;
    std::shared_ptr<const model::Domain> definition; ///< that the guest goes on with
};
Task<ManagedSave> open_managed_save(DomainPtr domain, bool paused, bool bypass_cache);
Task<> forget_managed_save(DomainPtr domain);
/// Somebody may have deleted its file: then there is none any more.
Task<> recheck_managed_save(DomainPtr domain);

/// A guest has loaded the saved memory. Until it runs the file is kept under another name, since its process may still end
/// without having changed a disk; the next start then goes on from the file again.
Task<> keep_loaded_save(DomainPtr domain, std::shared_ptr<Running> running);
Task<> drop_loaded_save(DomainPtr domain, std::shared_ptr<Running> running);
/// The same for a guest that was let run by other means than the start: after what the queue has, which may be that start.
Task<> drop_save_left(DomainPtr domain, std::shared_ptr<Running> running);
/// At the end of its process, and of a start that failed.
Task<> give_back_save(DomainPtr domain, std::shared_ptr<Running> running);
Task<> finish_restore(DomainPtr domain, std::shared_ptr<Running> running, StartRequest request);

/// A save was written: its process has nothing more to do.
Task<> end_saved(DomainPtr domain, std::shared_ptr<Running> running);
Task<> remove_cut_off_save(DomainPtr domain, UnfinishedJob job);
/// What a daemon that ended in the middle of a job left to be done. True if the domain is ended by it.
Task<bool> finish_job(DomainPtr domain, std::shared_ptr<Running> running);

} // namespace domus::compute
