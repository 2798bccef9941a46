#include "wire/handlers.hpp"

#include "service/registry.hpp"

#include <map>

namespace domus::wire {

namespace {

/// The rows of each procedure, by its place in the table.
std::map<const ProcedureInfo*, std::vector<const service::Row*>> rows_by_procedure() {
    std::map<const ProcedureInfo*, std::vector<const service::Row*>> rows;
    for (const auto& program : programs())
        for (const auto& procedure : program.procedures)
            if (auto found = service::operations_of(procedure.name); !found.empty())
                rows.emplace(&procedure, std::move(found));
    return rows;
}

/// The door judges what it can without the arguments. Of a procedure that performs one of several operations all demand
/// the same rights (rows_test.cpp).
void set_gate(Dispatcher& dispatcher, service::Door& door) {
    dispatcher.set_gate([rows = rows_by_procedure(), &door](const service::Caller& caller, const ProcedureInfo& info) {
        if (!caller.read_only) return;
        const auto found = rows.find(&info);
        if (found == rows.end()) return require_reading(caller, info);
        door.admit(caller, *found->second.front(), info.name);
    });
}

} // namespace

void serve_all(Dispatcher& dispatcher, service::Service& service) {
    auto& door = service.door();
    set_gate(dispatcher, door);
    serve_connections(dispatcher, service);
    serve_domains(dispatcher, door);
    serve_devices(dispatcher, door);
    serve_consoles(dispatcher, door);
    serve_graphics(dispatcher, door);
    serve_statistics(dispatcher, door);
    serve_interfaces(dispatcher, door);
    serve_domain_events(dispatcher, service.events());
    serve_saves(dispatcher, door);
    serve_snapshots(dispatcher, door);
    serve_host(dispatcher, door);
    serve_networks(dispatcher, service);
    serve_filters(dispatcher, door);
    serve_secrets(dispatcher, service);
    serve_storage(dispatcher, service);
    serve_volumes(dispatcher, door);
    serve_transfers(dispatcher, service);
    serve_jobs(dispatcher, door);
}

} // namespace domus::wire
