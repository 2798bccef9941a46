// All operations of the platform, and the door to them: what all protocols offer, each in its own form.
#pragma once

#include "service/door.hpp"
#include "service/events.hpp"
#include "service/rows/consoles.hpp"
#include "service/rows/definitions.hpp"
#include "service/rows/devices.hpp"
#include "service/rows/domains.hpp"
#include "service/rows/filters.hpp"
#include "service/rows/guests.hpp"
#include "service/rows/hosts.hpp"
#include "service/rows/interfaces.hpp"
#include "service/rows/jobs.hpp"
#include "service/rows/networks.hpp"
#include "service/rows/saved_memory.hpp"
#include "service/rows/secrets.hpp"
#include "service/rows/snapshots.hpp"
#include "service/rows/statistics.hpp"
#include "service/rows/storage.hpp"
#include "service/rows/volumes.hpp"

#include <filesystem>
#include <string>

namespace domus::service {

/// What the operations work on, which outlives them.
struct Drivers {
    compute::Domains& domains;
    engine::Engine& engine;
    network::Networks* networks; ///< null in an unprivileged daemon
    filter::Filters* filters;    ///< null in an unprivileged daemon
    secret::Secrets& secrets;
    storage::Pools& pools;
    host::Interfaces& interfaces;
    compute::Rules rules;
    std::filesystem::path root; ///< below which the paths of the daemon lie
    Jobs& jobs;
    AuditLog::Write audit = {}; ///< takes the lines of the audit; empty: the log does
};

class Service {
public:
    /// `uri`: qemu:///system or qemu:///session.
    Service(Drivers drivers, Events& events, std::string uri);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    Door& door() { return door_; }
    Events& events() { return events_; }
    const std::string& uri() const { return uri_; }

    // For who has events to report, or names of objects in place of their UUIDs.
    const DomainOperations& domains() const { return domains_; }
    NetworkOperations& networks() { return networks_; }
    const FilterOperations& filters() const { return filters_; }
    SecretOperations& secrets() { return secrets_; }
    StorageOperations& storage() { return storage_; }
    // For who follows a job that the door has started.
    JobOperations& jobs() { return jobs_; }
    // For who transfers contents of volumes that the door has opened.
    VolumeOperations& volumes() { return volumes_; }

private:
    DomainOperations domains_;
    DeviceOperations devices_;
    SavedMemoryOperations saved_memory_;
    SnapshotOperations snapshots_;
    StatisticsOperations statistics_;
    ConsoleOperations consoles_;
    GuestOperations guests_;
    DefinitionOperations definitions_;
    HostOperations host_;
    InterfaceOperations interfaces_;
    NetworkOperations networks_;
    FilterOperations filters_;
    FilterBindingOperations filter_bindings_;
    SecretOperations secrets_;
    StorageOperations storage_;
    VolumeOperations volumes_;
    JobOperations jobs_;
    Events& events_;
    std::string uri_;
    Door door_;
};

} // namespace domus::service
