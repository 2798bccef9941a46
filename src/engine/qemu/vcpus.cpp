#include "engine/qemu/vcpus.hpp"

#include "engine/qemu/command.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto vcpu_timeout = 5s;

/// A place for a processor: with one in it, its name there.
struct Slot {
    json::object properties; ///< what device_add takes, with the driver
    std::string device;      ///< id of one that was plugged in; "" for those that the machine began with
    bool filled = false;
    std::uint64_t vcpus = 1;
};

/// In the order in which they are filled.
std::vector<Slot> read_slots(const json::value& answer) {
    std::vector<Slot> slots;
    for (const auto& entry : answer.as_array()) {
        const auto& object = entry.as_object();
        Slot slot;
        slot.properties = object.at("props").as_object();
        slot.properties["driver"] = object.at("type");
        slot.vcpus = object.at("vcpus-count").to_number<std::uint64_t>();
        if (const auto* path = object.if_contains("qom-path")) {
            slot.filled = true;
            const std::string text(path->as_string());
            constexpr std::string_view plugged = "/machine/peripheral/";
            if (text.starts_with(plugged)) slot.device = text.substr(plugged.size());
        }
        slots.push_back(std::move(slot));
    }
    std::ranges::reverse(slots); // QEMU tells the last one first
    return slots;
}

std::size_t filled(const std::vector<Slot>& slots) {
    std::size_t vcpus = 0;
    for (const auto& slot : slots) vcpus += slot.filled ? slot.vcpus : 0;
    return vcpus;
}

Task<std::vector<Slot>> ask_slots(MonitorPtr monitor) {
    const auto answer = co_await monitor->execute("query-hotpluggable-cpus", {}, Deadline::in(monitor_timeout));
    co_return read_slots(answer);
}

Task<> fill(MonitorPtr monitor, std::vector<Slot> slots, std::size_t count) {
    auto there = filled(slots);
    for (std::size_t i = 0; i < slots.size() && there < count; ++i) {
        if (slots[i].filled) continue;
        auto device = slots[i].properties;
        device["id"] = fmt::format("vcpu{}", i);
        co_await monitor->execute("device_add", std::move(device), Deadline::in(monitor_timeout));
        there += slots[i].vcpus;
    }
}

/// Asks the guest to let the last ones go, as many as are too many.
Task<> empty(MonitorPtr monitor, std::vector<Slot> slots, std::size_t count) {
    auto there = filled(slots);
    for (std::size_t i = slots.size(); i-- > 0 && there > count;) {
        if (!slots[i].filled) continue;
        if (slots[i].device.empty())
            throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                        "Requested operation is not valid: didn't find enough hot-unpluggable vcpus")
                .because("those that the domain booted with stay until it ends")
                .hint("add --config: it takes effect at the next boot");
        json::object arguments{{"id", slots[i].device}};
        co_await monitor->execute("device_del", std::move(arguments), Deadline::in(monitor_timeout));
        there -= slots[i].vcpus;
    }
}

} // namespace

Task<> plug_first_vcpus(MonitorPtr monitor, unsigned count) {
    auto slots = co_await ask_slots(monitor);
    if (filled(slots) < count) co_await fill(monitor, std::move(slots), count);
}

std::vector<int> threads_of(const json::value& cpus, std::size_t most) {
    if (const auto count = cpus.as_array().size(); count > most)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    fmt::format("internal error: QEMU reports {} vCPUs, the domain has {}", count, most));
    std::vector<int> threads;
    for (const auto& cpu : cpus.as_array()) threads.push_back(cpu.as_object().at("thread-id").to_number<int>());
    return threads;
}

Task<Vcpus> set_vcpus(MonitorPtr monitor, std::shared_ptr<const model::Domain> live, unsigned count) {
    auto slots = co_await ask_slots(monitor);
    if (filled(slots) < count)
        co_await fill(monitor, slots, count);
    else
        co_await empty(monitor, slots, count);
    for (const auto by = Deadline::in(vcpu_timeout);;) {
        slots = co_await ask_slots(monitor);
        if (filled(slots) == count || by.expired()) break;
        co_await sleep_until(Deadline::in(100ms));
    }
    const auto cpus = co_await monitor->execute("query-cpus-fast", {}, Deadline::in(monitor_timeout));
    Vcpus change;
    change.present = static_cast<unsigned>(filled(slots));
    change.booted = booted_vcpus(*live);
    change.threads = threads_of(cpus, live->vcpu);
    co_return change;
}

} // namespace domus::engine::qemu
