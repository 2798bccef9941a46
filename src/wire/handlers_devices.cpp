// Devices of domains: attach, detach, update.
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
constexpr unsigned live = 1; // the calls without flags are for the running domain

} // namespace

void serve_devices(Dispatcher& on, service::Service& service) {
    auto& domains = service.domains;
    on.on<Procedure::domain_attach_device>([&](SessionPtr session, DomainAttachDeviceArgs args) -> Task<> {
        return domains.attach_device(session->caller(), from_wire(std::move(args.dom)), std::move(args.xml), live);
    });
    on.on<Procedure::domain_attach_device_flags>([&](SessionPtr session, DomainAttachDeviceFlagsArgs args) -> Task<> {
        return domains.attach_device(session->caller(), from_wire(std::move(args.dom)), std::move(args.xml),
                                     args.flags);
    });
    on.on<Procedure::domain_detach_device>([&](SessionPtr session, DomainDetachDeviceArgs args) -> Task<> {
        return domains.detach_device(session->caller(), from_wire(std::move(args.dom)), std::move(args.xml), live);
    });
    on.on<Procedure::domain_detach_device_flags>([&](SessionPtr session, DomainDetachDeviceFlagsArgs args) -> Task<> {
        return domains.detach_device(session->caller(), from_wire(std::move(args.dom)), std::move(args.xml),
                                     args.flags);
    });
    on.on<Procedure::domain_detach_device_alias>([&](SessionPtr session, DomainDetachDeviceAliasArgs args) -> Task<> {
        return domains.detach_alias(session->caller(), from_wire(std::move(args.dom)), std::move(args.alias),
                                    args.flags);
    });
    on.on<Procedure::domain_update_device_flags>([&](SessionPtr session, DomainUpdateDeviceFlagsArgs args) -> Task<> {
        return domains.update_device(session->caller(), from_wire(std::move(args.dom)), std::move(args.xml),
                                     args.flags);
    });
    on.on<Procedure::domain_block_resize>([&](SessionPtr session, DomainBlockResizeArgs args) -> Task<> {
        return domains.resize_disk(session->caller(), from_wire(std::move(args.dom)), std::move(args.disk), args.size,
                                   args.flags);
    });
}

} // namespace domus::wire
