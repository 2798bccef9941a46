#include "service/service.hpp"

#include "base/log.hpp"

namespace domus::service {

Service::Service(Drivers drivers, Events& events, std::string uri)
    : domains_(drivers.domains), devices_(drivers.domains), saved_memory_(drivers.domains), snapshots_(drivers.domains),
      statistics_(drivers.domains), consoles_(drivers.domains), guests_(drivers.domains, drivers.networks),
      definitions_(drivers.domains, drivers.networks, drivers.filters, drivers.secrets, drivers.pools),
      host_(drivers.engine, std::move(drivers.rules), std::move(drivers.root)), interfaces_(drivers.interfaces),
      networks_(drivers.networks), filters_(drivers.filters), filter_bindings_(drivers.filters),
      secrets_(drivers.secrets), storage_(drivers.pools), volumes_(drivers.pools), jobs_(drivers.jobs), events_(events),
      uri_(std::move(uri)),
      door_(drivers.audit ? std::move(drivers.audit) : [](const std::string& line) { log::info("{}", line); }) {
    door_.add(domains_);
    door_.add(devices_);
    door_.add(saved_memory_);
    door_.add(snapshots_);
    door_.add(statistics_);
    door_.add(consoles_);
    door_.add(guests_);
    door_.add(definitions_);
    door_.add(host_);
    door_.add(interfaces_);
    door_.add(networks_);
    door_.add(filters_);
    door_.add(filter_bindings_);
    door_.add(secrets_);
    door_.add(storage_);
    door_.add(volumes_);
    door_.add(jobs_);
    door_.set_jobs(&drivers.jobs);
}

} // namespace domus::service
