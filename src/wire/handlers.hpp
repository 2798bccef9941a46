// Which operation serves which procedure. One function for each family; each goes through the door (service/door.hpp).
#pragma once

#include "service/service.hpp"
#include "wire/dispatcher.hpp"

namespace domus::wire {

void serve_connections(Dispatcher& dispatcher, service::Service& service);
void serve_domains(Dispatcher& dispatcher, service::Door& door);
void serve_devices(Dispatcher& dispatcher, service::Door& door);
void serve_consoles(Dispatcher& dispatcher, service::Door& door);
void serve_graphics(Dispatcher& dispatcher, service::Door& door);
void serve_statistics(Dispatcher& dispatcher, service::Door& door);
void serve_interfaces(Dispatcher& dispatcher, service::Door& door);
void serve_domain_events(Dispatcher& dispatcher, service::Events& events);
void serve_saves(Dispatcher& dispatcher, service::Door& door);
void serve_snapshots(Dispatcher& dispatcher, service::Door& door);
void serve_host(Dispatcher& dispatcher, service::Door& door);
void serve_networks(Dispatcher& dispatcher, service::Service& service);
void serve_filters(Dispatcher& dispatcher, service::Door& door);
void serve_secrets(Dispatcher& dispatcher, service::Service& service);
void serve_storage(Dispatcher& dispatcher, service::Service& service);
void serve_volumes(Dispatcher& dispatcher, service::Door& door);
void serve_transfers(Dispatcher& dispatcher, service::Service& service);
void serve_jobs(Dispatcher& dispatcher, service::Door& door);

/// Registers all of them, and has the door judge each call before its arguments are decoded.
void serve_all(Dispatcher& dispatcher, service::Service& service);

/// How domains are named on the wire.
inline Domain to_wire(const compute::DomainRef& ref) {
    Domain domain;
    domain.name = ref.name;
    domain.uuid = ref.uuid;
    domain.id = ref.id;
    return domain;
}
inline compute::DomainRef from_wire(Domain domain) { return {std::move(domain.name), domain.uuid, domain.id}; }

} // namespace domus::wire
