#include "service/job_view.hpp"

namespace domus::service {

const format::Schema& JobView::schema() {
    static const format::Schema table =
        format::Describe<JobView>("job", "An operation that may take long.")
            .field("@id", &JobView::id, "never that of another job", format::required)
            .field("@operation", &JobView::operation, "what is done", format::required)
            .field("@objects", &JobView::objects, "with what")
            .field("@principal", &JobView::principal, "who asked for it")
            .field("@state", &JobView::state, "whether it runs, or how it ended", format::required)
            .field("@begun", &JobView::begun, "milliseconds since 1970 UTC")
            .field("@ended", &JobView::ended, "milliseconds since 1970 UTC")
            .field("@done", &JobView::done, "bytes")
            .field("@total", &JobView::total, "bytes; 0 where nobody knows")
            .field("@rate", &JobView::rate, "bytes per second")
            .field("@cancellable", &JobView::cancellable, "whether it can be cancelled now")
            .field("@code", &JobView::code, "libvirt's code of the error with which it ended")
            .field("@error", &JobView::error, "why it failed or was cancelled")
            .field("@hint", &JobView::hint, "what to do about that");
    return table;
}

} // namespace domus::service
