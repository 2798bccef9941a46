#include "engine/fake/fake_host.hpp"

#include "engine/fake/control.hpp"

#include <algorithm>
#include <csignal>

namespace domus::engine::fake {

void Guest::end() {
    if (ended) return;
    ended = true;
    launch = {};
    if (stand_in.pid() > 0) {
        stand_in.signal(SIGKILL);
        stand_in = Process(); // reaped
    }
    if (const auto live = control.lock()) live->changed.notify_all();
}

void FakeHost::inject(std::string call, Fault fault, Moment moment) {
    faults_.push_back({std::move(call), 0, fault, moment});
}

void FakeHost::inject(std::size_t number, Fault fault, Moment moment) {
    faults_.push_back({"", number, fault, moment});
}

void FakeHost::release() {
    ++releases_;
    for (const auto& control : std::vector(stalled_)) control->changed.notify_all();
}

FakeHost::Stalling::Stalling(const std::shared_ptr<Control>& control) : control_(control) {
    control_->host->stalled_.push_back(control_);
}

FakeHost::Stalling::~Stalling() {
    auto& all = control_->host->stalled_;
    all.erase(std::ranges::find(all, control_));
}

void FakeHost::forget_calls() {
    calls_.clear();
    faults_.clear();
}

GuestPtr FakeHost::guest(const Uuid& uuid) const {
    const auto found =
        std::ranges::find_if(guests_, [&](const GuestPtr& guest) { return guest->uuid == uuid && !guest->ended; });
    return found == guests_.end() ? nullptr : *found;
}

std::size_t FakeHost::living() const {
    return static_cast<std::size_t>(
        std::ranges::count(guests_, false, [](const GuestPtr& guest) { return guest->ended; }));
}

void FakeHost::add(GuestPtr guest) {
    std::erase_if(guests_, [](const GuestPtr& each) { return each->ended; });
    guests_.push_back(std::move(guest));
}

void FakeHost::reach(const Uuid& uuid) {
    const auto there = guest(uuid);
    const auto control = there ? there->control.lock() : nullptr;
    if (!control) return;
    control->connected = true;
    report(uuid, machine_event::Reached{there->state});
}

bool FakeHost::is_lost(const Uuid& uuid) const {
    const auto there = guest(uuid);
    const auto control = there ? there->control.lock() : nullptr;
    return !control || !control->connected;
}

void FakeHost::report(const Uuid& uuid, MachineEvent event) {
    const auto there = guest(uuid);
    const auto control = there ? there->control.lock() : nullptr;
    if (!control) return;
    control->report(std::move(event));
    flush(control);
}

std::optional<Injected> FakeHost::enter(const std::string& call) {
    calls_.push_back(call);
    std::optional<Injected> found;
    for (auto fault = faults_.begin(); fault != faults_.end();) {
        const bool meant = fault->call.empty() || fault->call == call;
        if (meant && fault->number == 0 && !found) {
            found = *fault;
            fault = faults_.erase(fault);
            continue;
        }
        if (meant && fault->number > 0) --fault->number;
        ++fault;
    }
    return found;
}

} // namespace domus::engine::fake
