// A device on its way out of a domain: the guest is asked for it, and decides when it goes; what the host had for it
// follows.
#include "compute/devices/device_change.hpp"

#include "base/log.hpp"
#include "compute/devices/guest_nodes.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/life/leases.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto guest_timeout = 5s; ///< for the guest to let a device go

/// Whether something of the domain is plugged into that controller.
bool in_use(const model::Devices& devices, const model::Controller& controller) {
    using model::AddressType, model::ControllerType;
    const auto index = controller.index.value_or(0);
    bool used = false;
    model::for_each_device(devices, [&](std::string_view element, const auto& device) {
        if (!device.address || element == "controller") return;
        const auto& at = *device.address;
        if (controller.type == ControllerType::usb)
            used |= at.type == AddressType::usb && at.bus == index;
        else if (controller.type == ControllerType::virtio_serial)
            used |= at.type == AddressType::virtio_serial && at.controller == index;
        else if (element == "disk")
            used |= at.type == AddressType::drive && at.controller == index;
    });
    return used;
}

/// A device whose end is being dealt with: what the machine repeats meanwhile is ignored.
class Leaving {
public:
    Leaving(std::shared_ptr<Running> running, std::string alias)
        : running_(std::move(running)), alias_(std::move(alias)) {
        running_->leaving.insert(alias_);
    }
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    ~Leaving() { running_->leaving.erase(alias_); }

private:
    std::shared_ptr<Running> running_;
    std::string alias_;
};

} // namespace

Task<> detach_device(DomainPtr domain, std::string xml, Impact impact) {
    const auto turn = co_await domain->turn("detach device");
    impact = domain->resolve(impact);
    const auto device = parse_device(xml);
    std::optional<model::Domain> config;
    if (impact.config) {
        config = parse_definition(*domain->definition());
        remove_device(config->devices, device);
        require_sound(*config);
    }
    if (impact.live) {
        domain->environment().engine->require_pluggable(device.element);
        co_await unplug(domain, compute::alias_of(domain->running()->domain->devices, device), true);
    }
    if (config) co_await domain->save_definition(std::move(*config));
}

Task<> detach_alias(DomainPtr domain, std::string alias, Impact impact) {
    const auto turn = co_await domain->turn("detach device");
    impact = domain->resolve(impact);
    std::optional<model::Domain> config;
    const auto missing = [&] {
        return Error(ErrorCode::device_missing, ErrorDomain::qemu,
                     fmt::format("device not found: no device found with alias {}", alias));
    };
    if (impact.config) {
        config = parse_definition(*domain->definition());
        if (!element_of(config->devices, alias))
            throw missing().hint("a persistent definition keeps only aliases that begin with 'ua-'");
        remove_alias(config->devices, alias);
        require_sound(*config);
    }
    if (impact.live) {
        if (!element_of(domain->running()->domain->devices, alias))
            throw missing().hint(fmt::format("see <alias> in 'domus dumpxml {}'", domain->name()));
        co_await unplug(domain, alias, false);
    }
    if (config) co_await domain->save_definition(std::move(*config));
}

Task<> unplug(DomainPtr domain, std::string alias, bool wait) {
    const auto running = domain->require_running();
    const auto element = element_of(running->domain->devices, alias).value_or("");
    domain->environment().engine->require_pluggable(element);
    for (const auto& controller : running->domain->devices.controllers)
        if (controller.alias == alias
            && (controller.type == model::ControllerType::pci || in_use(running->domain->devices, controller)))
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        "operation failed: device cannot be detached: device is busy")
                .because(fmt::format("devices sit on controller '{}'", alias));
    running->refused.clear();
    co_await running->guest().unplug(alias);
    const auto by = Deadline::in(guest_timeout);
    while (wait && !running->settled && element_of(running->domain->devices, alias) && running->refused != alias) {
        const bool told = co_await running->unplugged.wait(by);
        if (!told) break;
    }
    if (running->refused == alias)
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: unplug of device was rejected by the guest: '{}'", alias))
            .hint("see the guest's kernel log; a disk that is mounted, or a guest without PCI hotplug, keeps it");
    if (wait && !running->settled && element_of(running->domain->devices, alias))
        log::warning("domain '{}': the guest has not let go of device '{}' within 5 s; it goes when the guest does",
                     domain->name(), alias);
}

Task<> device_gone(DomainPtr domain, std::shared_ptr<Running> running, std::string alias) {
    const Leaving leaving(running, alias);
    if (running->settled || !element_of(running->domain->devices, alias)) co_return;
    try {
        co_await running->guest().release_device(running->domain, alias);
    } catch (const engine::GuestGone&) {
        throw;
    } catch (const Error& error) { // the guest has let it go all the same
        log::warning("domain '{}': the machine may keep files of device '{}' open: {}", domain->name(), alias,
                     error.message());
    }
    std::optional<std::string> port;
    for (const auto& interface : running->domain->devices.interfaces)
        if (interface.alias == alias) port = interface.target_dev;
    if (port && domain->environment().networks) co_await domain->environment().networks->detach(*port);
    std::vector<std::string> one;
    one.push_back(alias);
    co_await take_nodes(domain->environment(), running, running->domain, std::move(one));
    std::vector<model::Disk> own;
    for (const auto& disk : running->domain->devices.disks)
        if (disk.alias == alias) own.push_back(disk);
    auto images = co_await images_written(domain->environment(), std::move(own));
    co_await remove_leases(domain->environment(), domain->name(), domain->uuid(), std::move(images));
    if (running->settled) co_return;
    domain->change_live([&](model::Domain& live) {
        const auto size = module_size(live.devices, alias);
        live.memory.bytes -= std::min(live.memory.bytes, size);
        if (live.current_memory) live.current_memory->bytes -= std::min(live.current_memory->bytes, size);
        remove_alias(live.devices, alias);
    });
    domain->emit(event::DeviceRemoved{alias});
    running->unplugged.notify_all();
}

} // namespace domus::compute
