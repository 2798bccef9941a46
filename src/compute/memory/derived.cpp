#include "compute/memory/derived.hpp"

#include <algorithm>

namespace domus::compute {

void adopt_derived(model::Domain& wanted, const model::Domain& saved) {
    for (auto& disk : wanted.devices.disks) {
        const auto same =
            std::ranges::find(saved.devices.disks, disk.target.dev, [](const auto& other) { return other.target.dev; });
        if (same != saved.devices.disks.end() && !disk.driver.queues) disk.driver.queues = same->driver.queues;
    }
    for (auto& controller : wanted.devices.controllers)
        for (const auto& same : saved.devices.controllers)
            if (same.type == controller.type && same.index == controller.index && !controller.driver.queues)
                controller.driver.queues = same.driver.queues;
    for (auto& memory : wanted.devices.memories)
        for (const auto& same : saved.devices.memories)
            if (memory.address && same.address && memory.address->type == model::AddressType::dimm
                && memory.address->slot == same.address->slot && !memory.address->base)
                memory.address->base = same.address->base;
    if (wanted.vcpus.empty() && wanted.vcpu == saved.vcpu && wanted.vcpu_current == saved.vcpu_current)
        wanted.vcpus = saved.vcpus;
}

void note_vcpus(model::Domain& live, unsigned booted, unsigned present) {
    live.vcpu_current = present;
    if (present == live.vcpu) live.vcpu_current.reset();
    if (booted == live.vcpu) return;
    live.vcpus.clear();
    for (unsigned id = 0; id < live.vcpu; ++id) {
        auto& vcpu = live.vcpus.emplace_back();
        vcpu.id = id;
        vcpu.enabled = id < present;
        vcpu.hotpluggable = id >= booted;
    }
}

} // namespace domus::compute
