// For tests: how the calls of one FakeMachine run: each is counted, suffers its fault, does its work and answers, with
// the events that it causes before or after. Tasks share it, since the machine may go before them.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "engine/fake/fake_host.hpp"
#include "engine/machine.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace domus::engine::fake {

struct Control {
    Control(Executor on, FakeHostPtr of, GuestPtr whose)
        : executor(std::move(on)), host(std::move(of)), guest(std::move(whose)), changed(executor) {}

    Executor executor;
    FakeHostPtr host;
    GuestPtr guest;
    Notice changed; ///< the guest has ended, or calls that stall go on
    std::function<void(const MachineEvent&)> handler;
    std::vector<MachineEvent> unreported;

    bool connected = true; ///< else its events are not heard

    /// Throws GuestGone, or operation_failed for one that cannot be controlled.
    void require_there() const;
    void report(MachineEvent event) { unreported.push_back(std::move(event)); }
};
using ControlPtr = std::shared_ptr<Control>;

/// Hands over what is to be reported; the handler hears it in a later turn of the loop.
void flush(const ControlPtr& control);
/// The first half of a call: throws what its fault wants.
Task<> suffer(ControlPtr control, std::string call, Injected injected, Moment moment);
/// The second half: the events of what was done, the fault that comes then, the answer.
Task<> answer(ControlPtr control, std::string call, std::optional<Injected> injected);

/// One call. `work` gets the control, and may throw.
template <class Work>
Task<std::invoke_result_t<Work, Control&>> perform(ControlPtr control, std::string call, Work work) {
    const auto injected = control->host->enter(call);
    control->require_there();
    if (injected) co_await suffer(control, call, *injected, Moment::before);
    control->require_there();
    if constexpr (std::is_void_v<std::invoke_result_t<Work, Control&>>) {
        work(*control);
        co_await answer(control, call, injected);
    } else {
        auto result = work(*control);
        co_await answer(control, call, injected);
        co_return result;
    }
}

} // namespace domus::engine::fake
