#include "compute/devices/guest_nodes.hpp"

#include "base/log.hpp"
#include "compute/life/guest_view.hpp"
#include "os/view_devices.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto node_timeout = 10s;

/// The devices that have one of these aliases, or those that have none of them.
model::Domain only(const model::Domain& live, const std::vector<std::string>& aliases, bool these) {
    model::Domain part;
    part.type = these ? model::DomainType::qemu : live.type;
    const auto wanted = [&](const auto& device) {
        return (std::ranges::find(aliases, device.alias.value_or("")) != aliases.end()) == these;
    };
    std::ranges::copy_if(live.devices.hostdevs, std::back_inserter(part.devices.hostdevs), wanted);
    std::ranges::copy_if(live.devices.interfaces, std::back_inserter(part.devices.interfaces), wanted);
    std::ranges::copy_if(live.devices.inputs, std::back_inserter(part.devices.inputs), wanted);
    if (!these) part.devices.graphics = live.devices.graphics;
    if (live.devices.vsock && wanted(*live.devices.vsock)) part.devices.vsock = live.devices.vsock;
    return part;
}

/// A device of the host may reach all of the guest's memory, which must stay where it is.
void permit_locked_memory(int pid) {
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    if (::prlimit(pid, RLIMIT_MEMLOCK, &all, nullptr) < 0)
        throw system_error(errno, "cannot let the guest lock its memory");
}

} // namespace

Task<> give_nodes(Environment& environment, std::shared_ptr<Running> running, std::shared_ptr<const model::Domain> live,
                  std::vector<std::string> aliases) {
    if (!running->user) co_return;
    auto work = [running, live, aliases = std::move(aliases)] {
        const auto devices = only(*live, aliases, true);
        if (!devices.devices.hostdevs.empty()) permit_locked_memory(running->pid());
        add_devices(running->guest().process().pidfd(), device_nodes(devices), running->user->uid, running->user->gid);
    };
    co_await environment.files.run(Deadline::in(node_timeout), std::move(work));
}

Task<> take_nodes(Environment& environment, std::shared_ptr<Running> running, std::shared_ptr<const model::Domain> live,
                  std::vector<std::string> aliases) {
    if (!running->user) co_return;
    auto work = [running, live, aliases = std::move(aliases)] {
        auto nodes = device_nodes(only(*live, aliases, true));
        const auto needed = device_nodes(only(*live, aliases, false));
        std::erase_if(nodes, [&](const auto& node) { return std::ranges::find(needed, node) != needed.end(); });
        take_devices(running->guest().process().pidfd(), nodes);
    };
    std::exception_ptr trouble;
    try {
        co_await environment.files.run(Deadline::in(node_timeout), std::move(work));
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::warning("domain '{}': {}", live->name, describe(trouble));
}

} // namespace domus::compute
