// Saving a domain: its memory goes into a file, its process ends. Until the file is whole and on the disk nothing of
// the guest is given up, so that whatever fails, it goes on.
#include "compute/domain.hpp"

#include "base/log.hpp"
#include "compute/judge.hpp"
#include "compute/save_image.hpp"
#include "compute/saved_definition.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto file_timeout = 30s;
constexpr auto disk_timeout = 30min; ///< until all that was written is on the disk

/// The file holds memory alone; what a transient disk has taken would be gone when it is restored.
void require_lasting_disks(const model::Domain& domain, const std::string& name) {
    const auto& disks = domain.devices.disks;
    const auto found = std::ranges::find(disks, true, &model::Disk::transient);
    if (found == disks.end()) return;
    throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                fmt::format("Operation not supported: domain '{}' cannot be saved: disk '{}' is transient", name,
                            found->target.dev))
        .hint("shut it down instead");
}

Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                 fmt::format("Requested operation is not valid: {}", what));
}

/// QEMU does not know of the older one.
Error with_older_file(const std::exception_ptr& failure, const std::filesystem::path& path) {
    auto error = error_of(failure, ErrorDomain::qemu);
    if (error.text().contains("No space left on device"))
        error.add_cause(fmt::format(
            "what '{}' had before is kept until the new save is whole: there must be room for both", path.string()));
    return error;
}

} // namespace

/// One save, from the running guest to the end of its process.
class Save {
public:
    Save(Domain& domain, std::shared_ptr<Running> running, SaveRequest request)
        : domain_(domain), running_(std::move(running)), request_(std::move(request)),
          path_(request_.managed() ? domain.managed_save_file() : request_.file),
          lane_(domain.environment_.executor, fmt::format("'{}'", path_.string()), 1),
          job_(std::make_shared<Job>(JobOperation::save)) {}

    Task<> run();

private:
    Task<std::string> xml();
    Task<> create_file();
    Task<> write();
    Task<> complete();
    Task<> go_on();
    void begin_job();
    void end_job(JobType how, const std::exception_ptr& failure = nullptr);

    Domain& domain_;
    std::shared_ptr<Running> running_;
    SaveRequest request_;
    std::filesystem::path path_;
    Lane lane_;
    std::shared_ptr<Job> job_;
    std::shared_ptr<SaveFile> file_;
    bool running_at_begin_ = false;
};

Task<std::string> Save::xml() {
    const auto live = running_->domain;
    if (!request_.xml) co_return saved_xml(*live);
    auto replaced = co_await replace_definition(*domain_.environment_.engine, live, *request_.xml);
    co_await require_rights(domain_.environment_, request_.caller, replaced);
    if (request_.managed()) co_await domain_.note_definer(request_.caller);
    co_return saved_xml(replaced);
}

Task<> Save::create_file() {
    auto text = co_await xml();
    const bool resume = request_.state == StateAfterRestore::as_it_was ? running_at_begin_
                                                                       : request_.state == StateAfterRestore::running;
    const auto who = request_.managed() ? own_credentials() : request_.caller;
    auto work = [who, path = path_, text = std::move(text), resume, managed = request_.managed()] {
        if (managed) ensure_directory_durably(path.parent_path(), 0700);
        return std::make_shared<SaveFile>(SaveFile::create(who, path, text, resume));
    };
    file_ = co_await lane_.run(Deadline::in(file_timeout), std::move(work));
}

void Save::begin_job() {
    domain_.job_ = job_;
    const auto id = file_->id();
    running_->unfinished =
        UnfinishedJob{"save", path_.string(), running_at_begin_, id.device, id.inode, file_->beside().string()};
    domain_.write_record();
}

void Save::end_job(JobType how, const std::exception_ptr& failure) {
    auto statistics = job_->now();
    statistics.type = how;
    if (failure) statistics.error = describe(failure);
    domain_.completed_ = std::move(statistics);
    domain_.job_.reset();
    running_->unfinished.reset();
}

Task<> Save::write() {
    if (running_at_begin_) co_await domain_.stop_guest(running_, PausedReason::save);
    UniqueFd copy(::fcntl(file_->fd().get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error(errno, "cannot hand over the file", ErrorDomain::qemu);
    co_await running_->guest().send_state(std::move(copy), job_->transfer);
    co_await complete();
}

Task<> Save::complete() {
    const auto ended = [](const Running& running) { return running.ending.has_value(); };
    auto gone = Error(ErrorCode::operation_aborted, ErrorDomain::qemu,
                      fmt::format("operation aborted: domain '{}' was ended while it was saved", domain_.name_));
    if (ended(*running_)) throw gone;
    auto work = [file = file_, drop = request_.bypass_cache] {
        file->complete();
        if (drop) ::posix_fadvise(file->fd().get(), 0, 0, POSIX_FADV_DONTNEED);
    };
    co_await lane_.run(Deadline::in(disk_timeout), std::move(work));
    if (ended(*running_)) throw gone;
}

/// After a failure: no half file stays, and the guest runs as before.
Task<> Save::go_on() {
    auto work = [file = file_] { file->discard(); };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
    if (running_->settled || running_->ending) co_return;
    if (running_at_begin_)
        co_await domain_.let_guest_run(running_, RunningReason::save_canceled);
    else
        co_await running_->guest().reactivate();
}

Task<> Save::run() {
    running_at_begin_ = domain_.status_.state == State::running;
    co_await create_file();
    begin_job();
    std::exception_ptr failure;
    try {
        co_await write();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        end_job(JobType::completed);
        co_return;
    }
    std::exception_ptr trouble;
    try {
        co_await go_on();
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("domain '{}': going on after a save that failed: {}", domain_.name_, describe(trouble));
    if (!file_->beside().empty()) failure = std::make_exception_ptr(with_older_file(failure, path_));
    const auto unfinished = running_->unfinished;
    end_job(job_->transfer->cancel_wanted ? JobType::cancelled : JobType::failed, failure);
    if (trouble && !running_->guest().reachable())
        running_->unfinished = unfinished; // Domain::reopen_monitor goes on with it
    domain_.write_record();
    std::rethrow_exception(failure);
}

Task<> Domain::save(SaveRequest request) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("save");
    const auto running = require_running();
    const bool managed = request.managed();
    if (managed && !definition_) throw invalid("cannot do managed save for transient domain");
    require_lasting_disks(*running->domain, name_);
    if (running->guest_stopped || running->ending) throw invalid(fmt::format("domain '{}' is about to end", name_));
    Save save(*this, running, std::move(request));
    co_await save.run();
    if (managed) managed_save_ = true;
    co_await end_saved(running);
}

/// The file is whole: the process has nothing more to do.
Task<> Domain::end_saved(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (!running->settled && !running->ending) running->ending = {ShutoffReason::saved, event::Stopped::saved};
    const bool gone = co_await end_process(running, 5s);
    if (!gone)
        throw Error(ErrorCode::system_error, ErrorDomain::qemu,
                    fmt::format("domain '{}' is saved, but its process {} is still there 30 s after SIGKILL", name_,
                                running->pid()))
            .because("the kernel holds it, most often in input or output that does not complete");
    // Had it died by itself after its last byte, it would be called crashed; but nothing of it is lost.
    if (!running_ && status_ == Status(ShutoffReason::crashed)) set_status(Status(ShutoffReason::saved));
}

std::filesystem::path Domain::managed_save_file() const { return environment_.store.managed_save_path(name_); }

Task<> Domain::forget_managed_save() {
    auto work = [path = managed_save_file(), loaded = environment_.store.loaded_save_path(name_)] {
        remove_durably(path);
        remove_durably(loaded);
    };
    if (running_) running_->keeps_save = false;
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    managed_save_ = false;
    publish();
}

Task<> Domain::recheck_managed_save() {
    if (!managed_save_) co_return;
    auto work = [path = managed_save_file()] { return std::filesystem::exists(path); };
    const bool there = co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    if (there) co_return;
    log::warning("domain '{}': its saved memory '{}' was deleted, so its next start boots", name_,
                 managed_save_file().string());
    managed_save_ = false;
    publish();
}

Task<> Domain::remove_managed_save() {
    const auto turn = co_await this->turn("managedsave-remove");
    co_await recheck_managed_save();
    if (!managed_save_) throw path_error(ENOENT, "Failed to remove managed save file", managed_save_file());
    co_await forget_managed_save();
}

// ---- watching and leaving jobs --------------------------------------------------------------------------------

JobStatistics Domain::job_statistics() const {
    if (!running_) not_running();
    return job_ ? job_->now() : JobStatistics{};
}

JobStatistics Domain::completed_job(bool keep) {
    const auto result = completed_.value_or(JobStatistics{});
    if (!keep) completed_.reset();
    return result;
}

Task<> Domain::abort_job() {
    const auto running = require_running();
    const auto job = job_;
    if (!job) throw invalid("no job is active on the domain");
    if (job->operation != JobOperation::save)
        throw invalid(job->operation == JobOperation::restore ? "cannot abort VM start; use virDomainDestroy instead"
                                                              : "cannot abort a snapshot job")
            .hint(fmt::format("'domus destroy {}' ends it", name_));
    job->transfer->cancel_wanted = true;
    co_await running->guest().cancel_transfer();
}

} // namespace domus::compute
