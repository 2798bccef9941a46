#include "compute/derived.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto monitor_timeout = 60s;

struct Question {
    qmp::Command command;
    std::function<void(const json::value&)> take;
};

Question ask_number(const std::string& alias, std::string property, std::optional<unsigned>& into) {
    Question question;
    question.command = {"qom-get", {{"path", "/machine/peripheral/" + alias}, {"property", std::move(property)}}};
    question.take = [&into](const json::value& answer) { into = answer.to_number<unsigned>(); };
    return question;
}

/// "memory-devices" in QEMU's qapi/machine.json.
void take_places(const json::value& answer, std::vector<model::MemoryDevice>& memories) {
    for (const auto& entry : answer.as_array()) {
        const auto& data = entry.as_object().at("data").as_object();
        const auto* id = data.if_contains("id");
        const auto* base = data.if_contains("addr");
        for (auto& memory : memories)
            if (id && base && memory.alias && *id == json::string_view(*memory.alias) && memory.address
                && memory.address->type == model::AddressType::dimm)
                memory.address->base.emplace().value = base->to_number<std::uint64_t>();
    }
}

bool is_virtio_scsi(const model::Controller& controller) {
    return controller.type == model::ControllerType::scsi && controller.model.value_or("").starts_with("virtio");
}

std::vector<Question> questions(model::Devices& devices) {
    std::vector<Question> list;
    for (auto& disk : devices.disks)
        if (disk.alias && disk.target.bus == model::DiskBus::virtio && !disk.driver.queues)
            list.push_back(ask_number(*disk.alias, "num-queues", disk.driver.queues));
    for (auto& controller : devices.controllers)
        if (controller.alias && is_virtio_scsi(controller) && !controller.driver.queues)
            list.push_back(ask_number(*controller.alias, "num_queues", controller.driver.queues));
    const auto placeless = [](const model::MemoryDevice& memory) {
        return memory.address && memory.address->type == model::AddressType::dimm && !memory.address->base;
    };
    if (std::ranges::any_of(devices.memories, placeless))
        list.push_back(
            {{"query-memory-devices", {}}, [&](const json::value& answer) { take_places(answer, devices.memories); }});
    return list;
}

} // namespace

Task<> learn_derived(std::shared_ptr<Running> running, std::shared_ptr<model::Domain> live) {
    auto asked = questions(live->devices);
    if (asked.empty()) co_return;
    std::vector<qmp::Command> commands;
    for (auto& question : asked) commands.push_back(std::move(question.command));
    const auto answers = co_await running->monitor->execute_all(std::move(commands), Deadline::in(monitor_timeout));
    for (std::size_t i = 0; i < asked.size(); ++i) asked[i].take(answers[i]);
}

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
