// Events of domains on their way to whoever asked for them: connections of the RPC protocol, web sockets.
#pragma once

#include "async/task.hpp"
#include "base/listeners.hpp"
#include "compute/domain/status.hpp"

#include <vector>

namespace domus::service {

class Events {
public:
    explicit Events(Executor executor) : executor_(std::move(executor)) {}

    using Told = Listeners<compute::DomainEvent>;
    using Handle = Told::Handle;

    /// Calls the listener for each event from now on, in their order. Ends of domains that the daemon noticed at its
    /// own start, while nobody could be listening, are told to those who come in its first minute, a little later:
    /// libvirt's client drops an event that comes before the thread that asked for it has seen the reply.
    Handle add(Told::Listener listener);
    void remove(Handle handle) { listeners_.remove(handle); }
    std::size_t listeners() const { return listeners_.size(); }

    void emit(const compute::DomainEvent& event);

    /// Between these two, emitted events are kept for the listeners of the first minute.
    void begin_start() { starting_ = true; }
    void end_start() {
        starting_ = false;
        started_at_ = Clock::now();
    }

private:
    Task<> send_missed(Handle handle);

    Executor executor_;
    Told listeners_;
    bool starting_ = false;
    Clock::time_point started_at_{};
    std::vector<compute::DomainEvent> missed_;
};

} // namespace domus::service
