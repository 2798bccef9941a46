// Which operation of the service serves which procedure. One function for each family.
#pragma once

#include "service/service.hpp"
#include "wire/dispatcher.hpp"

namespace domus::wire {

void serve_connections(Dispatcher& dispatcher, service::Service& service);
void serve_domains(Dispatcher& dispatcher, service::Service& service);
void serve_devices(Dispatcher& dispatcher, service::Service& service);
void serve_graphics(Dispatcher& dispatcher, service::Service& service);
void serve_figures(Dispatcher& dispatcher, service::DomainOperations& domains);
void serve_interfaces(Dispatcher& dispatcher, service::Service& service);
void serve_domain_events(Dispatcher& dispatcher, service::Events& events);
void serve_saves(Dispatcher& dispatcher, service::Service& service);
void serve_snapshots(Dispatcher& dispatcher, service::Service& service);
void serve_host(Dispatcher& dispatcher, service::Service& service);
void serve_networks(Dispatcher& dispatcher, service::Service& service);
void serve_secrets(Dispatcher& dispatcher, service::Service& service);
void serve_storage(Dispatcher& dispatcher, service::Service& service);
void serve_transfers(Dispatcher& dispatcher, service::StorageOperations& storage);

inline void serve_all(Dispatcher& dispatcher, service::Service& service) {
    serve_connections(dispatcher, service);
    serve_domains(dispatcher, service);
    serve_devices(dispatcher, service);
    serve_graphics(dispatcher, service);
    serve_figures(dispatcher, service.domains);
    serve_interfaces(dispatcher, service);
    serve_domain_events(dispatcher, service.events);
    serve_saves(dispatcher, service);
    serve_snapshots(dispatcher, service);
    serve_host(dispatcher, service);
    serve_networks(dispatcher, service);
    serve_secrets(dispatcher, service);
    serve_storage(dispatcher, service);
}

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
