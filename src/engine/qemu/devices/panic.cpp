// Panic devices, by which a guest says that it has crashed.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

namespace {

struct PanicKind {
    std::string_view model, driver;
};
constexpr std::array<PanicKind, 2> panic_kinds{{{"isa", "pvpanic"}, {"pvpanic", "pvpanic-pci"}}};

void add_all(Build& build) {
    for (const auto& panic : build.domain.devices.panics) {
        const auto model = panic.model.value_or("isa");
        if (model == "hyperv") continue; // a feature of the processor, see add_cpu_options
        const auto kind = std::ranges::find(panic_kinds, model, &PanicKind::model);
        if (kind == panic_kinds.end())
            refuse("panic", panic.rest.line, fmt::format("model '{}' is not supported", model));
        auto device = build.device(kind->driver, *panic.alias);
        if (panic.address && panic.address->type == model::AddressType::isa && panic.address->iobase)
            device["ioport"] = panic.address->iobase->value;
        if (model == "pvpanic") build.place(device, panic.address);
        build.arguments.device(device);
    }
}

void complete(model::Domain& domain) {
    for (auto& panic : domain.devices.panics)
        if (!panic.model) panic.model = "isa";
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& panic : domain.devices.panics)
        if (panic.model == "pvpanic") users.add("panic", panic, PciPlug::conventional);
}

void add_cpu_options(const model::Domain& domain, Options& options) {
    if (std::ranges::find(domain.devices.panics, "hyperv", &model::Panic::model) != domain.devices.panics.end())
        options.flag("hv-crash");
}

} // namespace

const DeviceKind& kind_panic() {
    static const DeviceKind kind{
        .element = "panic",
        .add = add_all,
        .alias = "panic",
        .complete = complete,
        .pci = {18, list_pci},
        .cpu = add_cpu_options,
    };
    return kind;
}

} // namespace domus::engine::qemu
