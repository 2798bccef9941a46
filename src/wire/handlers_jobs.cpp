// Procedures on jobs, in a program of our own: libvirt knows only those of domains.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::JobListFlag;
using service::JobOperations;
using service::JobRef;

DomusJob to_wire(service::JobView view) {
    DomusJob job;
    job.id = view.id;
    job.operation = std::move(view.operation);
    job.objects = std::move(view.objects);
    job.principal = std::move(view.principal);
    job.state = static_cast<std::int32_t>(view.state);
    job.begun = view.begun;
    job.ended = view.ended.value_or(0);
    job.done = view.done;
    job.total = view.total;
    job.rate = view.rate;
    job.cancellable = view.cancellable;
    job.code = view.code.value_or(0);
    job.error = std::move(view.error);
    job.hint = std::move(view.hint);
    return job;
}

} // namespace

void serve_jobs(Dispatcher& on, Door& door) {
    on.on<DomusProcedure::job_list>([&](Session& session, const DomusJobListArgs& args) {
        DomusJobListRet ret;
        for (auto& view :
             door.perform<&JobOperations::list>(session.caller(), flags<JobListFlag>(args.flags, "JOB_LIST")))
            ret.jobs.push_back(to_wire(std::move(view)));
        return ret;
    });
    on.on<DomusProcedure::job_get>([&](Session& session, const DomusJobGetArgs& args) {
        return DomusJobGetRet{to_wire(door.perform<&JobOperations::get>(session.caller(), JobRef{args.id}))};
    });
    on.on<DomusProcedure::job_cancel>([&](SessionPtr session, DomusJobCancelArgs args) -> Task<> {
        return door.perform<&JobOperations::cancel>(session->caller(), JobRef{args.id});
    });
    on.on<DomusProcedure::job_wait>([&](SessionPtr session, DomusJobWaitArgs args) -> Task<DomusJobWaitRet> {
        auto view = co_await door.perform<&JobOperations::wait>(session->caller(), JobRef{args.id}, args.timeout);
        co_return DomusJobWaitRet{to_wire(std::move(view))};
    });
}

} // namespace domus::wire
