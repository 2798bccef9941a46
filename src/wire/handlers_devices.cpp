// Devices of domains: attach, detach, update.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DeviceFlag;
using service::DeviceOperations;
using service::Flags;

constexpr Flags<DeviceFlag> live{DeviceFlag::live}; // the calls without flags are for the running domain

} // namespace

void serve_devices(Dispatcher& on, service::Door& door) {
    on.on<Procedure::domain_attach_device>([&](SessionPtr session, DomainAttachDeviceArgs args) -> Task<> {
        return door.perform<&DeviceOperations::attach>(session->caller(), from_wire(std::move(args.dom)),
                                                       std::move(args.xml), live);
    });
    on.on<Procedure::domain_attach_device_flags>([&](SessionPtr session, DomainAttachDeviceFlagsArgs args) -> Task<> {
        return door.perform<&DeviceOperations::attach>(session->caller(), from_wire(std::move(args.dom)),
                                                       std::move(args.xml),
                                                       flags<DeviceFlag>(args.flags, "virDomainAttachDeviceFlags"));
    });
    on.on<Procedure::domain_detach_device>([&](SessionPtr session, DomainDetachDeviceArgs args) -> Task<> {
        return door.perform<&DeviceOperations::detach>(session->caller(), from_wire(std::move(args.dom)),
                                                       std::move(args.xml), live);
    });
    on.on<Procedure::domain_detach_device_flags>([&](SessionPtr session, DomainDetachDeviceFlagsArgs args) -> Task<> {
        return door.perform<&DeviceOperations::detach>(session->caller(), from_wire(std::move(args.dom)),
                                                       std::move(args.xml),
                                                       flags<DeviceFlag>(args.flags, "virDomainDetachDeviceFlags"));
    });
    on.on<Procedure::domain_detach_device_alias>([&](SessionPtr session, DomainDetachDeviceAliasArgs args) -> Task<> {
        return door.perform<&DeviceOperations::detach_alias>(
            session->caller(), from_wire(std::move(args.dom)), std::move(args.alias),
            flags<DeviceFlag>(args.flags, "virDomainDetachDeviceAlias"));
    });
    on.on<Procedure::domain_update_device_flags>([&](SessionPtr session, DomainUpdateDeviceFlagsArgs args) -> Task<> {
        return door.perform<&DeviceOperations::update>(
            session->caller(), from_wire(std::move(args.dom)), std::move(args.xml),
            flags<service::DeviceUpdateFlag>(args.flags, "virDomainUpdateDeviceFlags"));
    });
    on.on<Procedure::domain_block_resize>([&](SessionPtr session, DomainBlockResizeArgs args) -> Task<> {
        return door.perform<&DeviceOperations::resize_disk>(
            session->caller(), from_wire(std::move(args.dom)), std::move(args.disk), args.size,
            flags<service::BlockResizeFlag>(args.flags, "virDomainBlockResize"));
    });
}

} // namespace domus::wire
