// Where a kind of pool does its work: in its pool's lane and by other programs, by one deadline. Kept by value in the
// coroutine that works there; the pool's lane lives as long.
#pragma once

#include "async/lane.hpp"
#include "async/process_wait.hpp"
#include "base/sensitive.hpp"
#include "model/common.hpp"
#include "os/access.hpp"
#include "storage/opener.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace domus::storage {

class Site {
public:
    /// The value of a secret; throws no_secret.
    using Secrets = std::function<Task<Sensitive>(model::SecretReference)>;

    /// `who`: whose rights count for what is opened, made and removed, and for programs.
    Site(std::shared_ptr<Lane> lane, Deadline by, Secrets secrets = {}, Credentials who = own_credentials())
        : lane_(std::move(lane)), by_(by), secrets_(std::move(secrets)), who_(std::move(who)) {}

    /// Runs what blocks. Throws what it throws; operation_timeout at the deadline, naming the pool.
    template <class Work> Task<std::invoke_result_t<Work>> block(Work work) const {
        auto judged = [who = who_, work = std::move(work)]() mutable {
            const FileSystemIdentity identity(who);
            return work();
        };
        return lane_->run(by_, std::move(judged));
    }

    /// Runs a program; its standard output. `purpose` completes "cannot ...". Throws internal_error quoting what the
    /// program said, no_support naming the package if it is not installed, operation_timeout.
    Task<std::string> run(std::string program, std::vector<std::string> arguments, std::string purpose,
                          std::string input = {}) const;
    Task<std::string> run(Command command, std::string purpose, std::string input = {}) const;
    /// The same, but what its end means is the caller's to judge, perhaps by require_success().
    Task<CommandOutput> finish(Command command, std::string purpose, std::string input = {}) const;
    static void require_success(const CommandOutput& output, std::string_view program, std::string_view purpose);
    Task<CommandOutput> attempt(std::string program, std::vector<std::string> arguments, std::string input = {}) const;
    Task<CommandOutput> attempt(Command command, std::string input = {}) const;

    /// The same place with another deadline, for work whose length is that of the data.
    Site until(Deadline by) const {
        auto site = *this;
        site.by_ = by;
        return site;
    }

    /// The same place, where `look` is called so often while a program runs; what it throws ends the program.
    Site watched(Clock::duration every, std::function<Task<>()> look) const {
        auto site = *this;
        site.watch_.every = every;
        site.watch_.look = std::move(look);
        return site;
    }

    /// The same place, for work that others watch and may cancel.
    Site reporting(ProgressPtr progress) const {
        auto site = *this;
        site.progress_ = std::move(progress);
        return site;
    }
    const ProgressPtr& progress() const { return progress_; }

    /// The same place, where programs are killed when the work is cancelled: for those that leave nothing behind which has
    /// to be undone by themselves. `read`: see Watch.
    Site cancellable(std::function<void(const std::string& out)> read = {}) const {
        auto site = *this;
        site.watch_.progress = progress_;
        site.watch_.read = std::move(read);
        return site;
    }

    /// The same place, for work that `asker` asks for.
    Site asked_by(Opener asker) const {
        auto site = *this;
        if (!asker.who.unrestricted() && asker.who.uid != who_.uid)
            site.asker_ = std::make_shared<const Opener>(std::move(asker));
        return site;
    }

    /// Runs `check(asker)` in the lane, without the pool's rights. Does nothing if the asker has those anyway.
    template <class Check> Task<> check_asker(Check check) const {
        if (!asker_) co_return;
        auto work = [asker = asker_, check = std::move(check)]() mutable { check(*asker); };
        co_await lane_->run(by_, std::move(work));
    }

    Task<Sensitive> secret(model::SecretReference reference) const { return secrets_(std::move(reference)); }

private:
    Command judged(Command command) const;

    std::shared_ptr<Lane> lane_;
    Deadline by_;
    Secrets secrets_;
    Credentials who_;
    std::shared_ptr<const Opener> asker_; ///< if the pool's rights are not the asker's
    Watch watch_;
    ProgressPtr progress_ = std::make_shared<Progress>();
};

/// Awaits `work`. If that throws, awaits `undo` as well and throws the same; what is undone in vain is logged.
Task<> or_undo(Task<> work, Task<> undo);

} // namespace domus::storage
