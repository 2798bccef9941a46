// Processors that come and go while a domain runs (QEMU's qapi/machine.json, query-hotpluggable-cpus).
#include "compute/domain.hpp"

#include "compute/derived.hpp"
#include "compute/tuning.hpp"
#include "engine/qemu/command.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto monitor_patience = 10s;
constexpr auto guest_patience = 5s;

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

Task<std::vector<Slot>> ask(std::shared_ptr<Running> running) {
    const auto answer =
        co_await running->monitor->execute("query-hotpluggable-cpus", {}, Deadline::in(monitor_patience));
    co_return read_slots(answer);
}

Task<> fill(std::shared_ptr<Running> running, std::vector<Slot> slots, std::size_t count) {
    auto there = filled(slots);
    for (std::size_t i = 0; i < slots.size() && there < count; ++i) {
        if (slots[i].filled) continue;
        auto device = slots[i].properties;
        device["id"] = fmt::format("vcpu{}", i);
        co_await running->monitor->execute("device_add", std::move(device), Deadline::in(monitor_patience));
        there += slots[i].vcpus;
    }
}

/// Asks the guest to let the last ones go, as many as are too many.
Task<> empty(std::shared_ptr<Running> running, std::vector<Slot> slots, std::size_t count) {
    auto there = filled(slots);
    for (std::size_t i = slots.size(); i-- > 0 && there > count;) {
        if (!slots[i].filled) continue;
        if (slots[i].device.empty())
            throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                        "Requested operation is not valid: didn't find enough hot-unpluggable vcpus")
                .because("those that the domain booted with stay until it ends")
                .hint("add --config: it takes effect at the next boot");
        json::object arguments{{"id", slots[i].device}};
        co_await running->monitor->execute("device_del", std::move(arguments), Deadline::in(monitor_patience));
        there -= slots[i].vcpus;
    }
}

} // namespace

Task<> plug_first_vcpus(std::shared_ptr<Running> running, unsigned count) {
    auto slots = co_await ask(running);
    if (filled(slots) < count) co_await fill(running, std::move(slots), count);
}

Task<> Domain::plug_vcpus(unsigned count) {
    const auto running = require_running();
    if (count > running->domain->vcpu)
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::qemu,
            fmt::format(
                "invalid argument: requested vcpus is greater than max allowable vcpus for the live domain: {} > {}",
                count, running->domain->vcpu))
            .hint(fmt::format("raise that for the next boot: 'domus setvcpus {} {} --maximum --config'", name_, count));
    auto slots = co_await ask(running);
    if (filled(slots) < count)
        co_await fill(running, slots, count);
    else
        co_await empty(running, slots, count);
    const auto by = Deadline::in(guest_patience);
    for (;;) {
        slots = co_await ask(running);
        if (filled(slots) == count || by.expired()) break;
        co_await sleep_until(Deadline::in(100ms));
    }
    const auto cpus = co_await running->monitor->execute("query-cpus-fast", {}, Deadline::in(monitor_patience));
    if (running_ != running) not_running();
    running->vcpu_threads = threads_of(cpus, running->domain->vcpu);
    const auto now = static_cast<unsigned>(filled(slots));
    change_live([&](model::Domain& live) { note_vcpus(live, engine::qemu::booted_vcpus(live), now); });
    pin_threads(*running->domain, running->process.pid(), running->vcpu_threads);
    if (now != count)
        throw Error(
            ErrorCode::operation_failed, ErrorDomain::qemu,
            fmt::format("operation failed: the guest has not let go of its vCPUs within 5 s: it has {} and not {}", now,
                        count))
            .hint("take them offline in the guest first, or use --config");
}

} // namespace domus::compute
