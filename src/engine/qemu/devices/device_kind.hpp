// What a kind of device is to this engine: one file of devices/, which gives one value of this type, and one word in
// domus_kinds() of engine/CMakeLists.txt. Its list is the order in which QEMU gets the devices: what others refer to comes
// first. Generic code asks these properties and walks the list.
#pragma once

#include "engine/qemu/build.hpp"
#include "engine/qemu/complete/pci_users.hpp"
#include "engine/qemu/complete/usb_users.hpp"

#include <span>
#include <vector>

namespace domus::engine::qemu {

struct Preparation;

/// Lists the devices of a kind that want a place on a bus. Kinds choose in the order of their turns, which is libvirt's: a
/// definition gets the same addresses. A new kind takes the last turn.
template <class Users> struct OnBus {
    unsigned turn = 0;
    void (*list)(model::Domain& domain, Users& users) = nullptr;
};

struct DeviceKind {
    std::string_view element; ///< in <devices>
    /// Adds all devices of the kind to the command, and refuses what it cannot do.
    void (*add)(Build& build);
    bool pluggable = false;      ///< into and out of a running domain
    bool carries_others = false; ///< when another device is plugged, the command must still know those of this kind
    std::string_view alias = {}; ///< what names begin with, before a number; empty: alias.cpp names them
    /// Fills in what definitions leave open.
    void (*complete)(model::Domain& domain) = nullptr;
    OnBus<PciUsers> pci = {};
    OnBus<UsbUsers> usb = {};
    /// Lists devices for which the chipset fixes a place; they choose first, in the order of the build's list.
    void (*pci_fixed)(model::Domain& domain, PciUsers& users) = nullptr;
    /// The commands that the monitor needs for the devices before "cont".
    void (*prepare)(const model::Domain& live, std::vector<Preparation>& list) = nullptr;
    /// Chooses what a start would choose, for a command that is only read.
    void (*choose)(model::Domain& domain) = nullptr;
    /// Adds to -cpu what is a feature of the processor.
    void (*cpu)(const model::Domain& domain, Options& options) = nullptr;
};

std::span<const DeviceKind* const> all_kinds();
/// Null for an element that is no kind of device here.
const DeviceKind* find_kind(std::string_view element);

/// Has all kinds list their devices on a bus, by their turns.
void list_all(model::Domain& domain, PciUsers& users);
void list_all(model::Domain& domain, UsbUsers& users);

} // namespace domus::engine::qemu
