#include "engine/qemu/complete/pci.hpp"
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace domus::engine::qemu {

using model::Controller;
using model::ControllerType;

namespace {

struct Name {
    std::string_view model, driver;
};
constexpr std::array<Name, 13> usb_drivers{{
    {"piix3-uhci", "piix3-usb-uhci"},
    {"piix4-uhci", "piix4-usb-uhci"},
    {"ehci", "usb-ehci"},
    {"ich9-ehci1", "ich9-usb-ehci1"},
    {"ich9-uhci1", "ich9-usb-uhci1"},
    {"ich9-uhci2", "ich9-usb-uhci2"},
    {"ich9-uhci3", "ich9-usb-uhci3"},
    {"ich9-ehci2", "ich9-usb-ehci2"},
    {"vt82c686b-uhci", "vt82c686b-usb-uhci"},
    {"pci-ohci", "pci-ohci"},
    {"nec-xhci", "nec-usb-xhci"},
    {"qemu-xhci", "qemu-xhci"},
    {"none", ""},
}};
constexpr std::array<Name, 9> scsi_drivers{{
    {"lsilogic", "lsi53c895a"},
    {"lsisas1068", "mptsas1068"},
    {"lsisas1078", "megasas"},
    {"vmpvscsi", "pvscsi"},
    {"virtio-scsi", "virtio-scsi-pci"},
    {"virtio-transitional", "virtio-scsi-pci-transitional"},
    {"virtio-non-transitional", "virtio-scsi-pci-non-transitional"},
    {"dc390", "dc390"},
    {"am53c974", "am53c974"},
}};

std::string_view driver_of(std::span<const Name> names, const Controller& controller) {
    const auto found = std::ranges::find(names, controller.model.value_or(""), &Name::model);
    if (found == names.end())
        refuse("controller", controller.rest.line,
               fmt::format("model '{}' is not known", controller.model.value_or("")));
    return found->driver;
}

void refuse_driver_options(const Controller& controller) {
    const auto& driver = controller.driver;
    if (driver.queues || driver.cmd_per_lun || driver.max_sectors || driver.iothread || driver.ioeventfd)
        refuse("controller", controller.rest.line, "its <driver> has options that only virtio-scsi has");
}

void set_slots(json::object& device, const Controller& controller) {
    const auto& target = controller.target;
    if (target.port) device["port"] = target.port->value;
    set(device, "chassis", target.chassis);
    set(device, "chassis_nr", target.chassis_nr);
    set(device, "bus_nr", target.bus_nr);
    set(device, "numa_node", target.node);
    if (target.hotplug && !on(*target.hotplug)) device["hotplug"] = false;
}

void add_pci(Build& build, const Controller& controller) {
    if (controller.index == 0u) {
        if (controller.pcihole64)
            build.arguments.add("-global",
                                Options().set(build.chipset == Chipset::q35 ? "q35-pcihost.pci-hole64-size"
                                                                            : "i440FX-pcihost.pci-hole64-size",
                                              fmt::format("{}K", controller.pcihole64->kib_ceil())));
        return;
    }
    const auto name = controller.model_name.value_or("");
    build.need_device(name, "controller", controller.rest.line);
    auto device = build.device(name, *controller.alias);
    set_slots(device, controller);
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_usb(Build& build, const Controller& controller) {
    const auto driver = driver_of(usb_drivers, controller);
    if (driver.empty()) return; // model 'none': no USB at all
    build.need_device(driver, "controller", controller.rest.line);
    json::object device{{"driver", driver}};
    if (controller.master_startport) { // part of another controller: no bus and so no name of its own
        device["masterbus"] = build.bus_of(ControllerType::usb, controller.index.value_or(0));
        device["firstport"] = *controller.master_startport;
    } else {
        device["id"] = *controller.alias;
    }
    if (controller.ports) {
        if (!driver.ends_with("xhci"))
            refuse("controller", controller.rest.line, "only xHCI controllers have a number of ports");
        device["p2"] = device["p3"] = *controller.ports;
    }
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_scsi(Build& build, const Controller& controller) {
    const auto driver = driver_of(scsi_drivers, controller);
    build.need_device(driver, "controller", controller.rest.line);
    auto device = build.device(driver, *controller.alias);
    if (driver.starts_with("virtio-scsi")) {
        const auto& options = controller.driver;
        if (options.iothread) device["iothread"] = fmt::format("iothread{}", *options.iothread);
        set(device, "num_queues", options.queues);
        set(device, "cmd_per_lun", options.cmd_per_lun);
        set(device, "max_sectors", options.max_sectors);
        set(device, "ioeventfd", options.ioeventfd);
        set_virtio(device, options);
    } else {
        refuse_driver_options(controller);
    }
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_virtio_serial(Build& build, const Controller& controller) {
    auto device = build.device(virtio_name("virtio-serial-pci", controller.model), *controller.alias);
    set(device, "max_ports", controller.ports);
    set(device, "vectors", controller.vectors);
    set_virtio(device, controller.driver);
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_sata(Build& build, const Controller& controller) {
    if (controller.index == 0u && build.chipset == Chipset::q35) return;
    auto device = build.device("ahci", *controller.alias);
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_ide(Build& build, const Controller& controller) {
    if (controller.index != 0u || build.chipset != Chipset::i440fx)
        refuse("controller", controller.rest.line, "only machine 'pc' has IDE, and one controller of it");
}

void add_fdc(Build& build, const Controller& controller) {
    if (controller.index != 0u) refuse("controller", controller.rest.line, "there can be one floppy controller");
    if (build.chipset == Chipset::q35) build.arguments.device({{"driver", "isa-fdc"}});
}

void add_ccid(Build& build, const Controller& controller) {
    auto device = build.device("usb-ccid", *controller.alias);
    build.place(device, controller.address);
    build.arguments.device(device);
}

void add_other(Build&, const Controller& controller) {
    refuse("controller", controller.rest.line,
           fmt::format("type '{}' is not run by this version", format::word(controller.type)));
}

struct Kind {
    ControllerType type;
    void (*add)(Build&, const Controller&);
};
/// In the order in which they must come: buses before what sits on them.
constexpr std::array<Kind, 10> kinds{{
    {ControllerType::pci, add_pci},
    {ControllerType::usb, add_usb},
    {ControllerType::scsi, add_scsi},
    {ControllerType::sata, add_sata},
    {ControllerType::ide, add_ide},
    {ControllerType::virtio_serial, add_virtio_serial},
    {ControllerType::fdc, add_fdc},
    {ControllerType::ccid, add_ccid},
    {ControllerType::xenbus, add_other},
    {ControllerType::isa, add_other},
}};

void add_all(Build& build) {
    for (const auto& kind : kinds) {
        std::vector<const Controller*> all;
        for (const auto& controller : build.domain.devices.controllers)
            if (controller.type == kind.type) all.push_back(&controller);
        // The part of a USB controller that has the bus comes before its companions.
        std::ranges::sort(all, {}, [](const Controller* controller) {
            return std::tuple(*controller->index, controller->master_startport.has_value(), controller);
        });
        for (const auto* controller : all) {
            if (kind.type != ControllerType::scsi && kind.type != ControllerType::virtio_serial)
                refuse_driver_options(*controller);
            kind.add(build, *controller);
        }
    }
}

PciPlug controller_plug(const Controller& controller) {
    const auto model = controller.model.value_or("");
    switch (controller.type) {
    case ControllerType::usb:
        return model.ends_with("xhci") ? PciPlug::express : PciPlug::conventional;
    case ControllerType::scsi:
        return model.starts_with("virtio") ? virtio_plug(model) : PciPlug::conventional;
    case ControllerType::virtio_serial:
        return virtio_plug(model);
    default:
        return PciPlug::conventional;
    }
}

bool is_pci_controller(const Controller& controller) {
    switch (controller.type) {
    case ControllerType::usb:
        return controller.model != "none";
    case ControllerType::scsi:
    case ControllerType::sata:
    case ControllerType::ide:
    case ControllerType::virtio_serial:
        return true;
    default:
        return false;
    }
}

/// What is part of the chipset sits where guests know it.
std::optional<PciPlace> fixed_place(const Controller& controller, Chipset chipset) {
    if (controller.index != 0u) return std::nullopt;
    if (chipset == Chipset::q35) {
        if (controller.type == ControllerType::sata) return PciPlace{0, 0x1f, 2};
        return std::nullopt;
    }
    if (controller.type == ControllerType::ide) return PciPlace{0, 1, 1};
    if (controller.type == ControllerType::usb && controller.model == "piix3-uhci") return PciPlace{0, 1, 2};
    return std::nullopt;
}

void list_fixed(model::Domain& domain, PciUsers& users) {
    for (auto& controller : domain.devices.controllers)
        if (const auto place = fixed_place(controller, users.chipset()))
            users.add("controller", controller, controller_plug(controller)).wish = *place;
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& controller : domain.devices.controllers)
        if (is_pci_controller(controller))
            users.add("controller", controller, controller_plug(controller)).controller = &controller;
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::ccid) users.add("controller", controller);
}

} // namespace

const DeviceKind& kind_controller() {
    static const DeviceKind kind{
        .element = "controller",
        .add = add_all,
        .pluggable = true,
        .carries_others = true,
        .pci = {4, list_pci},
        .usb = {2, list_usb},
        .pci_fixed = list_fixed,
    };
    return kind;
}

} // namespace domus::engine::qemu
