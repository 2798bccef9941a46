#include "cli/names.hpp"

#include "client/connection.hpp"

namespace domus::cli {

namespace {

using wire::Procedure;

std::vector<std::string> domains(client::Connection& server, std::uint32_t flags) {
    std::vector<std::string> names;
    for (auto& domain : server.call<Procedure::connect_list_all_domains>({.need_results = 1, .flags = flags}).domains)
        names.push_back(std::move(domain.name));
    return names;
}

std::vector<std::string> networks(client::Connection& server, std::uint32_t flags) {
    std::vector<std::string> names;
    for (auto& network : server.call<Procedure::connect_list_all_networks>({.need_results = 1, .flags = flags}).nets)
        names.push_back(std::move(network.name));
    return names;
}

std::vector<std::string> interfaces(client::Connection& server) {
    std::vector<std::string> names;
    for (auto& each : server.call<Procedure::connect_list_all_interfaces>({.need_results = 1, .flags = 0}).ifaces)
        names.push_back(std::move(each.name));
    return names;
}

std::vector<std::string> secrets(client::Connection& server) {
    std::vector<std::string> uuids;
    for (const auto& secret : server.call<Procedure::connect_list_all_secrets>({.need_results = 1, .flags = 0}).secrets)
        uuids.push_back(secret.uuid.text());
    return uuids;
}

std::vector<std::string> filters(client::Connection& server) {
    std::vector<std::string> names;
    for (auto& filter : server.call<Procedure::connect_list_all_nwfilters>({.need_results = 1, .flags = 0}).filters)
        names.push_back(std::move(filter.name));
    return names;
}

std::vector<std::string> filter_bindings(client::Connection& server) {
    std::vector<std::string> devices;
    for (auto& binding :
         server.call<Procedure::connect_list_all_nwfilter_bindings>({.need_results = 1, .flags = 0}).bindings)
        devices.push_back(std::move(binding.portdev));
    return devices;
}

std::vector<std::string> pools(client::Connection& server, std::uint32_t flags) {
    std::vector<std::string> names;
    for (auto& pool : server.call<Procedure::connect_list_all_storage_pools>({.need_results = 1, .flags = flags}).pools)
        names.push_back(std::move(pool.name));
    return names;
}

std::vector<wire::StorageVol> volumes_of(client::Connection& server, const wire::StoragePool& pool) {
    return server.call<Procedure::storage_pool_list_all_volumes>({.pool = pool, .need_results = 1, .flags = 0}).vols;
}

/// Names in one pool; without one, the keys of all, which any volume command takes as well.
std::vector<std::string> volumes(client::Connection& server, const std::string& pool, std::uint32_t active) {
    std::vector<std::string> names;
    if (!pool.empty()) {
        const auto found = server.call<Procedure::storage_pool_lookup_by_name>({.name = pool}).pool;
        for (auto& volume : volumes_of(server, found)) names.push_back(std::move(volume.name));
        return names;
    }
    for (const auto& each :
         server.call<Procedure::connect_list_all_storage_pools>({.need_results = 1, .flags = active}).pools)
        for (auto& volume : volumes_of(server, each)) names.push_back(std::move(volume.key));
    return names;
}

std::vector<std::string> jobs(client::Connection& server) {
    std::vector<std::string> ids;
    for (const auto& job : server.call<wire::DomusProcedure::job_list>({.flags = 0}).jobs)
        ids.push_back(std::to_string(job.id));
    return ids;
}

} // namespace

std::vector<std::string> names_for_completion(Session& session, Complete kind, const std::string& pool) {
    constexpr std::uint32_t all = 0, domains_active = 1, domains_inactive = 2, networks_inactive = 1,
                            networks_active = 2, pools_inactive = 1, pools_active = 2;
    try {
        auto& server = session.connection();
        switch (kind) {
        case Complete::domain:
            return domains(server, all);
        case Complete::running_domain:
            return domains(server, domains_active);
        case Complete::stopped_domain:
            return domains(server, domains_inactive);
        case Complete::network:
            return networks(server, all);
        case Complete::running_network:
            return networks(server, networks_active);
        case Complete::stopped_network:
            return networks(server, networks_inactive);
        case Complete::interface:
            return interfaces(server);
        case Complete::pool:
            return pools(server, all);
        case Complete::running_pool:
            return pools(server, pools_active);
        case Complete::stopped_pool:
            return pools(server, pools_inactive);
        case Complete::filter:
            return filters(server);
        case Complete::filter_binding:
            return filter_bindings(server);
        case Complete::secret:
            return secrets(server);
        case Complete::job:
            return jobs(server);
        case Complete::volume:
            return volumes(server, pool, pools_active);
        default:
            return {};
        }
    } catch (const std::exception&) {
        return {};
    }
}

} // namespace domus::cli
