#include "compute/domain/record.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto record_pause = 100ms; ///< between two records of a status that changes all the time
constexpr std::chrono::seconds first_retry = 1s, last_retry = 60s; ///< of a record that cannot be written

Task<> note_newest_status(DomainPtr domain, std::shared_ptr<Running> running) {
    for (;;) {
        co_await sleep_until(Deadline::in(record_pause));
        if (running->settled || std::exchange(running->status_noted, true)) break;
        write_record(*domain);
    }
    running->notes_status = false;
}

Task<> retry_record(DomainPtr domain, std::shared_ptr<Running> running) {
    for (auto pause = first_retry; !running->record_fault.empty(); pause = std::min(2 * pause, last_retry)) {
        co_await sleep_until(Deadline::in(pause));
        if (running->settled) co_return;
        write_record(*domain);
    }
    log::info("domain '{}': its record is up to date again", domain->name());
}

} // namespace

const format::Schema& UnfinishedJob::schema() {
    static const format::Schema table = format::Describe<UnfinishedJob>("job", "What was under way.")
                                            .field("@kind", &UnfinishedJob::kind)
                                            .field("@file", &UnfinishedJob::file)
                                            .field("@resume", &UnfinishedJob::resume)
                                            .field("@device", &UnfinishedJob::device)
                                            .field("@inode", &UnfinishedJob::inode)
                                            .field("@beside", &UnfinishedJob::beside);
    return table;
}

const format::Schema& RunRecord::schema() {
    static const format::Schema table =
        format::Describe<RunRecord>("domstatus", "A running domain, for the next daemon.")
            .field("@state", &RunRecord::state)
            .field("@reason", &RunRecord::reason)
            .field("@pid", &RunRecord::pid, "", format::required)
            .field("@started", &RunRecord::start_time, "", format::required)
            .field("@persistent", &RunRecord::persistent)
            .field("@folder", &RunRecord::folder, "", format::required)
            .field("@cgroup", &RunRecord::cgroup)
            .field("@uid", &RunRecord::uid)
            .field("@gid", &RunRecord::gid)
            .field("@undefined", &RunRecord::undefine_flags)
            .field("vcpu", &RunRecord::vcpu_threads)
            .field("helper", &RunRecord::helpers)
            .field("job", &RunRecord::job)
            .field("domain", &RunRecord::domain);
    return table;
}

void store_record(const Domain& domain) {
    RunRecord record;
    record.state = static_cast<int>(domain.status().state);
    record.reason = domain.status().reason;
    record.pid = domain.running()->pid();
    record.start_time = domain.running()->start_time();
    record.folder = domain.running()->folder;
    record.cgroup = domain.running()->cgroup;
    if (domain.running()->user) record.uid = domain.running()->user->uid;
    if (domain.running()->user) record.gid = domain.running()->user->gid;
    record.vcpu_threads = domain.running()->vcpu_threads;
    for (const auto& helper : domain.running()->helpers)
        if (helper.process.pid() != 0)
            record.helpers.push_back(
                {helper.program, helper.device, helper.process.pid(), helper.process.start_time()});
    record.undefine_flags = domain.running()->undefine_flags;
    record.persistent = domain.definition() != nullptr;
    record.job = domain.running()->unfinished;
    record.domain = *domain.running()->domain;
    // The state folder is in memory, and nothing is synced: this does not wait for a disk.
    domain.environment().store.save_record(domain.name(), domain.running()->folder,
                                           format::to_xml(record, {.live = true, .secrets = true}));
}

void write_record(Domain& domain) {
    if (!domain.running() || domain.running()->settled)
        return; // it ended while the caller waited: a record would name what is gone
    const auto before = std::exchange(domain.running()->record_fault, {});
    try {
        store_record(domain);
    } catch (const Error& error) {
        domain.running()->record_fault = error.text();
    }
    if (domain.running()->record_fault != before) domain.publish();
    if (domain.running()->record_fault.empty() || !before.empty()) return;
    log::error("domain '{}': its record is not up to date, trying again: {}", domain.name(),
               domain.running()->record_fault);
    spawn(domain.environment().executor, retry_record(domain.shared_from_this(), domain.running()),
          fmt::format("the record of domain '{}'", domain.name()));
}

void note_status(Domain& domain) {
    domain.running()->status_noted = false;
    if (domain.running()->notes_status) return;
    domain.running()->notes_status = true;
    write_record(domain);
    domain.running()->status_noted = true;
    spawn(domain.environment().executor, note_newest_status(domain.shared_from_this(), domain.running()),
          fmt::format("the status of domain '{}'", domain.name()));
}

} // namespace domus::compute
