// The memory balloon.
#include "engine/qemu/command.hpp"
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add(Build& build) {
    const auto& balloon = build.domain.devices.memballoon;
    if (!balloon || balloon->model == "none") return;
    if (!balloon->model.starts_with("virtio"))
        refuse("memballoon", balloon->rest.line, fmt::format("model '{}' is not supported", balloon->model));
    auto device = build.device(virtio_name("virtio-balloon-pci", balloon->model), *balloon->alias);
    set(device, "deflate-on-oom", balloon->autodeflate);
    set(device, "free-page-reporting", balloon->free_page_reporting);
    set_virtio(device, balloon->driver);
    build.place(device, balloon->address);
    build.arguments.device(device);
}

/// A domain has one unless it says model='none'.
void complete(model::Domain& domain) {
    if (!domain.devices.memballoon) domain.devices.memballoon.emplace();
}

void list_pci(model::Domain& domain, PciUsers& users) {
    auto& balloon = domain.devices.memballoon;
    if (balloon && balloon->model != "none") users.add("memballoon", *balloon, virtio_plug(balloon->model));
}

void prepare(const model::Domain& live, std::vector<Preparation>& list) {
    const auto& balloon = live.devices.memballoon;
    if (!balloon || balloon->model == "none") return;
    if (balloon->stats_period) list.push_back({"qom-set", stats_period(*balloon, *balloon->stats_period)});
    if (live.current_memory && *live.current_memory < live.memory)
        list.push_back({"balloon", {{"value", live.current_memory->bytes}}});
}

} // namespace

json::object stats_period(const model::MemoryBalloon& balloon, unsigned seconds) {
    return {{"path", "/machine/peripheral/" + *balloon.alias},
            {"property", "guest-stats-polling-interval"},
            {"value", seconds}};
}

const DeviceKind& kind_memballoon() {
    static const DeviceKind kind{
        .element = "memballoon",
        .add = add,
        .alias = "balloon",
        .complete = complete,
        .pci = {7, list_pci},
        .prepare = prepare,
    };
    return kind;
}

} // namespace domus::engine::qemu
