#include "engine/fake/control.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace domus::engine::fake {

namespace {

Error refused(const std::string& call) {
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                 fmt::format("internal error: the machine refuses '{}'", call));
}

Error unanswered(const std::string& call) {
    return Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                 fmt::format("Timed out during operation: the machine does not answer '{}'", call));
}

Error lost(const Control& control) {
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                 fmt::format("internal error: the control connection of '{}' is lost", control.guest->name));
}

/// Until the deadline, the guest's end, or the release of what stalls.
Task<> wait_in_call(ControlPtr control, Deadline by) {
    const auto releases = control->host->releases();
    bool in_time = true;
    while (in_time && !control->guest->ended && control->host->releases() == releases)
        in_time = co_await control->changed.wait(by);
    control->require_there();
}

Task<> stall(ControlPtr control) {
    const FakeHost::Stalling stalling(control);
    co_await wait_in_call(control, Deadline::never());
}

} // namespace

void Control::require_there() const {
    if (guest->ended) throw GuestGone(guest->name);
    if (!connected) throw lost(*this);
}

void flush(const ControlPtr& control) {
    auto events = std::exchange(control->unreported, {});
    if (!control->connected) return;
    for (auto& event : events)
        asio::post(control->executor, [control, event = std::move(event)] {
            if (control->handler) control->handler(event);
        });
}

Task<> suffer(ControlPtr control, std::string call, Injected injected, Moment moment) {
    if (injected.moment != moment) co_return;
    switch (injected.fault) {
    case Fault::refuse:
        throw refused(call);
    case Fault::lose:
        if (moment == Moment::before) control->connected = false; // else it was, before the events
        throw lost(*control);
    case Fault::die:
        control->guest->end();
        throw GuestGone(control->guest->name);
    case Fault::hang:
        co_await wait_in_call(control, Deadline::in(control->host->timeout));
        throw unanswered(call);
    case Fault::slow:
        co_await wait_in_call(control, Deadline::in(control->host->timeout));
        break;
    case Fault::stall:
        co_await stall(control);
        break;
    }
}

Task<> answer(ControlPtr control, std::string call, std::optional<Injected> injected) {
    const bool late = control->host->late_events;
    if (injected && injected->fault == Fault::lose && injected->moment == Moment::done) control->connected = false;
    if (!late) flush(control);
    co_await asio::post(control->executor, use_task); // events that were posted are heard first
    if (injected) {
        if (late && injected->fault != Fault::die) flush(control);
        co_await suffer(control, call, *injected, Moment::done);
    }
    control->require_there();
    if (late) flush(control);
}

} // namespace domus::engine::fake
