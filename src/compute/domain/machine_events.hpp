// What a domain's machine reports by itself: translated into the domain's state and into events for clients.
#pragma once

#include "compute/domain/domain.hpp"
#include "engine/machine_events.hpp"

#include <memory>

namespace domus::compute {

class MachineEvents {
public:
    static void handle(const DomainPtr& domain, const std::shared_ptr<Running>& running,
                       const engine::MachineEvent& event);

    void operator()(const engine::machine_event::Reached& event) const;
    void operator()(const engine::machine_event::ShutDown& event) const;
    void operator()(const engine::machine_event::Stopped& event) const;
    void operator()(const engine::machine_event::Resumed& event) const;
    void operator()(const engine::machine_event::Reset& event) const;
    void operator()(const engine::machine_event::Crashed& event) const;
    void operator()(const engine::machine_event::Suspended& event) const;
    void operator()(const engine::machine_event::SuspendedToDisk& event) const;
    void operator()(const engine::machine_event::Woken& event) const;
    void operator()(const engine::machine_event::Watchdog& event) const;
    void operator()(const engine::machine_event::IoError& event) const;
    void operator()(const engine::machine_event::ClockChanged& event) const;
    void operator()(const engine::machine_event::BalloonChanged& event) const;
    void operator()(const engine::machine_event::ChannelChanged& event) const;
    void operator()(const engine::machine_event::TrayMoved& event) const;
    void operator()(const engine::machine_event::DeviceGone& event) const;
    void operator()(const engine::machine_event::UnplugRefused& event) const;
    void operator()(const engine::machine_event::DisplayClient& event) const;

private:
    MachineEvents(const DomainPtr& domain, const std::shared_ptr<Running>& running)
        : domain_(domain), running_(running) {}
    void end_guest(std::string action) const;

    const DomainPtr& domain_;
    const std::shared_ptr<Running>& running_;
};

} // namespace domus::compute
