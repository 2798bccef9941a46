#include "engine/qemu/derived.hpp"

#include <algorithm>
#include <functional>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto derived_timeout = 60s;

struct DerivedQuestion {
    qmp::Command command;
    std::function<void(const json::value&)> take;
};

DerivedQuestion ask_number(const std::string& alias, std::string property, std::optional<unsigned>& into) {
    DerivedQuestion question;
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

std::vector<DerivedQuestion> derived_questions(model::Devices& devices) {
    std::vector<DerivedQuestion> list;
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

Task<model::Domain> learn_derived(MonitorPtr monitor, model::Domain domain) {
    const auto live = std::make_shared<model::Domain>(std::move(domain)); // the questions refer into it
    auto asked = derived_questions(live->devices);
    if (asked.empty()) co_return std::move(*live);
    std::vector<qmp::Command> commands;
    for (auto& question : asked) commands.push_back(std::move(question.command));
    const auto answers = co_await monitor->execute_all(std::move(commands), Deadline::in(derived_timeout));
    for (std::size_t i = 0; i < asked.size(); ++i) asked[i].take(answers[i]);
    co_return std::move(*live);
}

} // namespace domus::engine::qemu
