// The steps of complete(), each over the whole domain and each safe to repeat.
#pragma once

#include "engine/qemu/chipset.hpp"
#include "engine/qemu/complete.hpp"

namespace domus::engine::qemu {

/// Identity, memory, machine, emulator, processor, clock, what happens at the end.
void complete_platform(model::Domain& domain, const Capabilities& capabilities);

/// Drivers, buses and order of disks, and the places on their buses that follow from their names (sdb: second unit).
void complete_disks(model::Domain& domain, Chipset chipset);
/// Serial ports, consoles and channels: types, ports, the console of the first serial port.
void complete_characters(model::Domain& domain);
/// Listening addresses, video, audio, keyboard and mouse.
void complete_graphics(model::Domain& domain);
/// MAC addresses, models and details of all other devices, and the balloon.
void complete_others(model::Domain& domain);
/// The controllers that machine and devices need, and their models and indexes.
void complete_controllers(model::Domain& domain, Chipset chipset);
/// Controllers of one type stand together in the order of their indexes.
void sort_controllers(model::Domain& domain);

void assign_usb_addresses(model::Domain& domain);
void assign_virtio_serial_addresses(model::Domain& domain);
/// Also adds the PCI controllers that are needed for all devices.
void assign_pci_addresses(model::Domain& domain, Chipset chipset, const Defaults& defaults);

/// 0 for "vda", 25 for "vdz", 26 for "vdaa"; the prefix is what stands before. Throws Error (xml_error) for a name that
/// has no such form.
unsigned disk_index(std::string_view target);

/// Null if there is none.
model::Controller* find_controller(model::Domain& domain, model::ControllerType type, unsigned index);
model::Controller& add_controller(model::Domain& domain, model::ControllerType type, unsigned index);

inline bool open_address(const std::optional<model::Address>& address) { return !address || address->is_open(); }

} // namespace domus::engine::qemu
