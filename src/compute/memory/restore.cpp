#include "compute/memory/restore.hpp"

#include "base/log.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/guest.hpp"
#include "compute/memory/memory.hpp"
#include "compute/memory/save_image.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

namespace domus::compute {

namespace {

/// A start that fails because of its saved memory can be told to forget it; nothing forgets it by itself.
Error with_way_out(Error error, const std::string& name) {
    error.prefix(fmt::format("domain '{}' has saved memory to go on from", name));
    if (!error.hint().empty()) return error;
    return std::move(error).hint(fmt::format("'domus start {} --force-boot' forgets it and boots", name));
}

/// A save that a daemon began and did not end. True if the domain ends by it: the file says that it is whole. Else the guest
/// goes on, also if QEMU has written all of it.
Task<bool> finish_save(DomainPtr domain, std::shared_ptr<Running> running, UnfinishedJob job) {
    const std::filesystem::path file = job.file;
    const SaveId id{job.device, job.inode};
    auto look = [file, id] { return look_at_save(file, id) == SaveLeft::complete; };
    const bool whole = co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(look));
    if (whole) {
        log::info("domain '{}' was saved to '{}' while the daemon was away", domain->name(), job.file);
        if (file == managed_save_file(*domain)) domain->set_managed_save(true);
        co_await end_saved(domain, running);
        co_return true;
    }
    log::warning("domain '{}': its save to '{}' was cut off, the guest goes on", domain->name(), job.file);
    co_await running->guest().abandon_transfer();
    co_await remove_cut_off_save(domain, job);
    if (job.resume)
        co_await let_guest_run(domain, running, RunningReason::save_canceled);
    else
        co_await running->guest().reactivate();
    co_return false;
}

} // namespace

Task<ManagedSave> open_managed_save(DomainPtr domain, bool paused, bool bypass_cache) {
    const auto file = managed_save_file(*domain);
    auto work = [file] {
        const auto daemon = own_credentials();
        return std::make_shared<SaveImage>(open_save_image(daemon, file));
    };
    std::optional<Error> failure;
    try {
        auto image = co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
        auto saved = std::make_shared<model::Domain>(format::from_xml<model::Domain>(image->xml, ErrorDomain::domain));
        if (saved->uuid != domain->uuid() || saved->name != domain->name())
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        fmt::format("operation failed: cannot restore domain '{}' uuid {} from a file which belongs to "
                                    "domain '{}' uuid {}",
                                    domain->name(), domain->uuid().text(), saved->name,
                                    saved->uuid ? saved->uuid->text() : "none"));
        Restore restore;
        restore.resume = !paused && image->header.was_running;
        restore.image = std::move(image);
        restore.file = file;
        restore.managed = true;
        restore.bypass_cache = bypass_cache;
        co_return ManagedSave{std::move(restore), std::move(saved)};
    } catch (const Error& error) {
        failure = error;
    }
    throw with_way_out(std::move(*failure), domain->name());
}

Task<> keep_loaded_save(DomainPtr domain, std::shared_ptr<Running> running) {
    auto work = [store = domain->environment().store, name = domain->name()] { store.keep_loaded_save(name); };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    running->keeps_save = true;
    domain->set_managed_save(false);
}

Task<> drop_loaded_save(DomainPtr domain, std::shared_ptr<Running> running) {
    running->keeps_save = false;
    auto work = [loaded = domain->environment().store.loaded_save_path(domain->name())] { remove_durably(loaded); };
    std::exception_ptr failure;
    try {
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception(); // give_back_save removes it
    }
    if (running->unfinished && running->unfinished->kind == "restore")
        co_await leave_job(domain, running, std::nullopt);
    if (failure) std::rethrow_exception(failure);
}

Task<> drop_save_left(DomainPtr domain, std::shared_ptr<Running> running) {
    const auto turn = co_await domain->recovery_turn();
    if (!running->settled) co_await drop_loaded_save(domain, running);
}

Task<> give_back_save(DomainPtr domain, std::shared_ptr<Running> running) {
    const bool saved = running->ending && running->ending->reason == ShutoffReason::saved;
    const bool never_ran = std::exchange(running->keeps_save, false) && domain->definition() && !saved;
    auto work = [never_ran, store = domain->environment().store, name = domain->name()] {
        if (never_ran && store.give_back_loaded_save(name)) return true;
        remove_durably(store.loaded_save_path(name)); // of a guest that may have run: it may not fit the disks any more
        return false;
    };
    const bool given_back = co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (!given_back) co_return;
    log::warning("domain '{}': its process ended before its guest ran; its saved memory is kept", domain->name());
    domain->set_managed_save(true);
}

/// The guest is loaded and stands still. If its process ends before it runs, its saved memory is there again on return.
Task<> finish_restore(DomainPtr domain, std::shared_ptr<Running> running, StartRequest request) {
    const auto& restore = *request.restore;
    if (restore.bypass_cache) ::posix_fadvise(restore.image->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    std::exception_ptr failure;
    try {
        if (restore.resume) co_await let_guest_run(domain, running, RunningReason::restored);
    } catch (...) {
        failure = std::current_exception();
    }
    if (running->guest().has_ended()) (void)co_await running->wait_until_over(Deadline::in(file_timeout));
    if (failure) {
        const bool stands_still = !running->settled && domain->status().state == State::paused;
        if (stands_still) domain->emit(event::Lifecycle(event::Suspended::restored)); // it was said to have started
        co_await leave_job(domain, running, std::nullopt);
        std::rethrow_exception(failure);
    }
    if (!restore.resume)
        domain->emit(event::Lifecycle(request.paused ? event::Suspended::paused : event::Suspended::restored));
    if (restore.managed) {
        co_await drop_loaded_save(domain, running);
        co_return;
    }
    co_await leave_job(domain, running, std::nullopt);
}

/// An older file of its name is as it was: the new one had another name until it was whole.
Task<> remove_cut_off_save(DomainPtr domain, UnfinishedJob job) {
    auto work = [job = std::move(job)] {
        const SaveId id{job.device, job.inode};
        if (job.beside.empty())
            remove_unfinished_save(job.file, id);
        else
            remove_save_beside(job.beside, id);
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
}

Task<bool> finish_job(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!running->unfinished) co_return false;
    const auto turn = co_await domain->recovery_turn();
    if (!running->unfinished || running->settled)
        co_return false; // the call that had begun it has ended it, or the guest has
    const auto job = *running->unfinished;
    const std::filesystem::path file = job.file;
    if (job.kind == "restore") {
        if (job.resume) co_await let_guest_run(domain, running, RunningReason::restored);
        if (!job.file.empty() && file == managed_save_file(*domain)) co_await forget_managed_save(domain);
    } else if (job.kind != "save") { // a snapshot, or going back to one: QEMU has brought it to its end
        co_await running->guest().await_snapshot();
        if (job.resume) co_await let_guest_run(domain, running, RunningReason::unpaused);
    } else {
        const bool whole = co_await finish_save(domain, running, job);
        if (whole) co_return true;
    }
    running->unfinished.reset();
    write_record(*domain);
    co_return false;
}

} // namespace domus::compute
