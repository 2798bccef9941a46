// Saving a domain: its memory goes into a file, its process ends. Until the file is whole and on the disk nothing of
// the guest is given up, so that whatever fails, it goes on.
#include "compute/memory/memory.hpp"

#include "base/log.hpp"
#include "compute/domain/errors.hpp"
#include "compute/domain/judge.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/guest.hpp"
#include "compute/memory/restore.hpp"
#include "compute/memory/save_image.hpp"
#include "compute/memory/saved_definition.hpp"
#include "os/files.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

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

/// QEMU does not know of the older one.
Error with_older_file(const std::exception_ptr& failure, const std::filesystem::path& path) {
    auto error = error_of(failure, ErrorDomain::qemu);
    if (error.text().contains("No space left on device"))
        error.add_cause(fmt::format(
            "what '{}' had before is kept until the new save is whole: there must be room for both", path.string()));
    return error;
}

/// One save, from the running guest to the end of its process.
class Save {
public:
    Save(DomainPtr domain, std::shared_ptr<Running> running, SaveRequest request)
        : domain_(std::move(domain)), running_(std::move(running)), request_(std::move(request)),
          path_(request_.managed() ? managed_save_file(*domain_) : request_.file),
          lane_(domain_->environment().executor, fmt::format("'{}'", path_.string()), 1),
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

    DomainPtr domain_;
    std::shared_ptr<Running> running_;
    SaveRequest request_;
    std::filesystem::path path_;
    Lane lane_;
    std::shared_ptr<Job> job_;
    std::shared_ptr<SaveFile> file_;
    bool running_at_begin_ = false;
};

} // namespace

Task<std::string> Save::xml() {
    const auto live = running_->domain;
    if (!request_.xml) co_return saved_xml(*live);
    auto replaced = co_await replace_definition(*domain_->environment().engine, live, *request_.xml);
    co_await require_rights(domain_->environment(), request_.caller, replaced);
    if (request_.managed()) co_await domain_->note_definer(request_.caller);
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
    domain_->jobs().current = job_;
    const auto id = file_->id();
    running_->unfinished =
        UnfinishedJob{"save", path_.string(), running_at_begin_, id.device, id.inode, file_->beside().string()};
    write_record(*domain_);
}

void Save::end_job(JobType how, const std::exception_ptr& failure) {
    auto statistics = job_->now();
    statistics.type = how;
    if (failure) statistics.error = describe(failure);
    domain_->jobs().completed = std::move(statistics);
    domain_->jobs().current.reset();
    running_->unfinished.reset();
}

Task<> Save::write() {
    if (running_at_begin_) co_await stop_guest(domain_, running_, PausedReason::save);
    UniqueFd copy(::fcntl(file_->fd().get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error(errno, "cannot hand over the file", ErrorDomain::qemu);
    co_await running_->guest().send_state(std::move(copy), job_->transfer);
    co_await complete();
}

Task<> Save::complete() {
    const auto ended = [](const Running& running) { return running.ending.has_value(); };
    auto gone = Error(ErrorCode::operation_aborted, ErrorDomain::qemu,
                      fmt::format("operation aborted: domain '{}' was ended while it was saved", domain_->name()));
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
        co_await let_guest_run(domain_, running_, RunningReason::save_canceled);
    else
        co_await running_->guest().reactivate();
}

Task<> Save::run() {
    running_at_begin_ = domain_->status().state == State::running;
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
    if (trouble) log::error("domain '{}': going on after a save that failed: {}", domain_->name(), describe(trouble));
    if (!file_->beside().empty()) failure = std::make_exception_ptr(with_older_file(failure, path_));
    const auto unfinished = running_->unfinished;
    end_job(job_->transfer->cancel_wanted ? JobType::cancelled : JobType::failed, failure);
    if (trouble && !running_->guest().reachable())
        running_->unfinished = unfinished; // finish_job() completes it once QEMU is reached
    write_record(*domain_);
    std::rethrow_exception(failure);
}

Task<> save(DomainPtr domain, SaveRequest request) {
    const auto turn = co_await domain->turn("save");
    const auto running = domain->require_running();
    const bool managed = request.managed();
    if (managed && !domain->definition()) throw invalid_operation("cannot do managed save for transient domain");
    require_lasting_disks(*running->domain, domain->name());
    if (running->guest_stopped || running->ending)
        throw invalid_operation(fmt::format("domain '{}' is about to end", domain->name()));
    Save work(domain, running, std::move(request));
    co_await work.run();
    if (managed) domain->set_managed_save(true);
    co_await end_saved(domain, running);
}

/// The file is whole: the process has nothing more to do.
Task<> end_saved(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!running->settled && !running->ending) running->ending = {ShutoffReason::saved, event::Stopped::saved};
    const bool gone = co_await end_process(domain, running, 5s);
    if (!gone)
        throw Error(ErrorCode::system_error, ErrorDomain::qemu,
                    fmt::format("domain '{}' is saved, but its process {} is still there 30 s after SIGKILL",
                                domain->name(), running->pid()))
            .because("the kernel holds it, most often in input or output that does not complete");
    // Had it died by itself after its last byte, it would be called crashed; but nothing of it is lost.
    if (!domain->running() && domain->status() == Status(ShutoffReason::crashed))
        domain->set_status(Status(ShutoffReason::saved));
}

} // namespace domus::compute
