// Going on from saved memory: a start whose process loads its state from a file, and what a daemon that ended in the
// middle of a save or restore leaves to the next one.
#include "compute/domain.hpp"

#include "base/log.hpp"
#include "compute/domains.hpp"
#include "compute/save_image.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto file_timeout = 30s;

/// A start that fails because of its saved memory can be told to forget it; nothing forgets it by itself.
Error with_way_out(Error error, const std::string& name) {
    error.prefix(fmt::format("domain '{}' has saved memory to go on from", name));
    if (!error.hint().empty()) return error;
    return std::move(error).hint(fmt::format("'domus start {} --force-boot' forgets it and boots", name));
}

} // namespace

Task<std::shared_ptr<const model::Domain>> Domain::open_managed_save(StartRequest& request) {
    const auto file = managed_save_file();
    auto work = [file] {
        const auto daemon = own_credentials();
        return std::make_shared<SaveImage>(open_save_image(daemon, file));
    };
    std::optional<Error> failure;
    try {
        auto image = co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
        auto saved = std::make_shared<model::Domain>(format::from_xml<model::Domain>(image->xml, ErrorDomain::domain));
        if (saved->uuid != uuid_ || saved->name != name_)
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        fmt::format("operation failed: cannot restore domain '{}' uuid {} from a file which belongs to "
                                    "domain '{}' uuid {}",
                                    name_, uuid_.text(), saved->name, saved->uuid ? saved->uuid->text() : "none"));
        Restore restore;
        restore.resume = !request.paused && image->header.was_running;
        restore.image = std::move(image);
        restore.file = file;
        restore.managed = true;
        restore.bypass_cache = request.bypass_cache;
        request.restore = std::move(restore);
        co_return saved;
    } catch (const Error& error) {
        failure = error;
    }
    throw with_way_out(std::move(*failure), name_);
}

Task<> Domain::keep_loaded_save(std::shared_ptr<Running> running) {
    auto work = [store = environment_.store, name = name_] { store.keep_loaded_save(name); };
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    running->keeps_save = true;
    managed_save_ = false;
}

Task<> Domain::drop_loaded_save(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    running->keeps_save = false;
    auto work = [loaded = environment_.store.loaded_save_path(name_)] { remove_durably(loaded); };
    std::exception_ptr failure;
    try {
        co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception(); // give_back_save removes it
    }
    if (running->unfinished && running->unfinished->kind == "restore") co_await leave_job(running, std::nullopt);
    if (failure) std::rethrow_exception(failure);
}

Task<> Domain::give_back_save(std::shared_ptr<Running> running) {
    const bool saved = running->ending && running->ending->reason == ShutoffReason::saved;
    const bool never_ran = std::exchange(running->keeps_save, false) && definition_ && !saved;
    auto work = [never_ran, store = environment_.store, name = name_] {
        if (never_ran && store.give_back_loaded_save(name)) return true;
        remove_durably(store.loaded_save_path(name)); // of a guest that may have run: it may not fit the disks any more
        return false;
    };
    const bool given_back = co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    if (!given_back) co_return;
    log::warning("domain '{}': its process ended before its guest ran; its saved memory is kept", name_);
    managed_save_ = true;
}

/// The guest is loaded and stands still. If its process ends before it runs, its saved memory is there again on return.
Task<> Domain::finish_restore(std::shared_ptr<Running> running, StartRequest request) {
    const auto& restore = *request.restore;
    if (restore.bypass_cache) ::posix_fadvise(restore.image->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    std::exception_ptr failure;
    try {
        if (restore.resume) co_await let_guest_run(running, RunningReason::restored);
    } catch (...) {
        failure = std::current_exception();
    }
    if (running->guest().has_ended()) (void)co_await running->wait_until_over(Deadline::in(file_timeout));
    if (failure) {
        co_await leave_job(running, std::nullopt);
        std::rethrow_exception(failure);
    }
    if (!restore.resume) emit(event::Lifecycle(request.paused ? event::Suspended::paused : event::Suspended::restored));
    if (restore.managed) {
        co_await drop_loaded_save(running);
        co_return;
    }
    co_await leave_job(running, std::nullopt);
}

Task<bool> Domain::finish_job(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (!running->unfinished) co_return false;
    const auto turn = co_await recovery_turn();
    if (!running->unfinished || running->settled)
        co_return false; // the call that had begun it has ended it, or the guest has
    const auto job = *running->unfinished;
    const std::filesystem::path file = job.file;
    if (job.kind == "restore") {
        if (job.resume) co_await let_guest_run(running, RunningReason::restored);
        if (!job.file.empty() && file == managed_save_file()) co_await forget_managed_save();
    } else if (job.kind != "save") { // a snapshot, or going back to one: QEMU has brought it to its end
        co_await running->guest().await_snapshot();
        if (job.resume) co_await let_guest_run(running, RunningReason::unpaused);
    } else {
        const bool whole = co_await finish_save(running, job);
        if (whole) co_return true;
    }
    running->unfinished.reset();
    write_record();
    co_return false;
}

/// An older file of its name is as it was: the new one had another name until it was whole.
Task<> Domain::remove_cut_off_save(UnfinishedJob job) {
    auto work = [job = std::move(job)] {
        const SaveId id{job.device, job.inode};
        if (job.beside.empty())
            remove_unfinished_save(job.file, id);
        else
            remove_save_beside(job.beside, id);
    };
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
}

/// A save that a daemon began and did not end. True if the domain ends by it: the file says that it is whole. Else the guest
/// goes on, also if QEMU has written all of it.
Task<bool> Domain::finish_save(std::shared_ptr<Running> running, UnfinishedJob job) {
    const std::filesystem::path file = job.file;
    const SaveId id{job.device, job.inode};
    auto look = [file, id] { return look_at_save(file, id) == SaveLeft::complete; };
    const bool whole = co_await environment_.files.run(Deadline::in(file_timeout), std::move(look));
    if (whole) {
        log::info("domain '{}' was saved to '{}' while the daemon was away", name_, job.file);
        if (file == managed_save_file()) managed_save_ = true;
        co_await end_saved(running);
        co_return true;
    }
    log::warning("domain '{}': its save to '{}' was cut off, the guest goes on", name_, job.file);
    co_await running->guest().abandon_transfer();
    co_await remove_cut_off_save(job);
    if (job.resume)
        co_await let_guest_run(running, RunningReason::save_canceled);
    else
        co_await running->guest().reactivate();
    co_return false;
}

Task<> Domain::start(StartRequest request, std::shared_ptr<const model::Domain> transient) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("start");
    if (running_)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    request.restore
                        ? fmt::format("Requested operation is not valid: domain is already active as '{}'", name_)
                    : transient ? fmt::format("Requested operation is not valid: domain '{}' is already active", name_)
                                : "Requested operation is not valid: domain is already running");
    environment_.domains->require_no_stray(*this);
    co_await recheck_managed_save();
    if (managed_save_ && transient)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("Requested operation is not valid: domain '{}' has a managed save image", name_))
            .because("its disks must stay as they are for the memory that was saved")
            .hint(fmt::format("'domus start {0}' goes on from it, 'domus managedsave-remove {0}' forgets it", name_));
    if (managed_save_ && request.force_boot) co_await forget_managed_save();
    if (managed_save_) transient = co_await open_managed_save(request);
    completed_.reset();
    const auto running = co_await boot(request, transient);
    if (request.autodestroy && !environment_.domains->connected(request.owner))
        connection_closed(request.owner); // it left meanwhile
    if (request.restore) co_await finish_restore(running, request);
}

} // namespace domus::compute
