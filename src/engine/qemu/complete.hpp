// Fills in what a domain's definition leaves open, as libvirt does: identity, machine, processor and clock; devices
// that others need (controllers, a console, balloon, keyboard and mouse, a video card); and every address. What the
// user gave stays as it is. Completing twice changes nothing. Pure computation, no I/O.
//
//     auto domain = format::from_xml<model::Domain>(text);
//     complete(domain, capabilities);
//     model::Findings findings; model::check(domain, findings); format::throw_findings(...);
//
// Throws Error: config_unsupported for what this host or version cannot run (KVM that does not work, an unknown
// machine), xml_error for definitions that cannot be (two devices at one address, no room left on a bus).
#pragma once

#include "engine/capabilities.hpp"
#include "model/domain.hpp"

namespace domus::engine::qemu {

struct Defaults {
    /// Free PCI Express ports that a domain gets for devices plugged in later, unless it brings its own ports.
    unsigned spare_ports = 1;
};

void complete(model::Domain& domain, const Capabilities& capabilities, const Defaults& defaults = {});

/// Only the devices' part: for a device that was added to a domain, running or not (attach-device). Addresses, implied
/// controllers and defaults of whatever has none yet.
void complete_devices(model::Domain& domain, const Defaults& defaults = {});

} // namespace domus::engine::qemu
