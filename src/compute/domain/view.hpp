// What readers see of a domain: an immutable picture that the domain's actor publishes after each change. `list`,
// `dominfo`, `dumpxml` and `domstats` work on it and so wait for nobody, whatever the guest or its monitor is doing.
#pragma once

#include "async/task.hpp"
#include "compute/domain/definition.hpp"
#include "compute/domain/status.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::compute {

/// A running domain's part of the view.
struct LiveView {
    std::shared_ptr<const model::Domain> domain; ///< live definition: ids, aliases, ports, pty paths
    Summary summary;
    int pid = 0;
    std::uint64_t start_time = 0;           ///< of the process, clock ticks since boot (proc(5), stat field 22)
    std::vector<int> vcpu_threads;          ///< host thread of each vCPU
    std::string record_fault;               ///< why its record is not up to date; empty: it is
    std::vector<std::string> helper_faults; ///< programs beside QEMU that have ended, in words
};

struct JobView {
    std::string name; ///< "start"; empty: none
    Clock::time_point since;
};

struct DomainView {
    DomainRef ref;
    Status status;
    Clock::time_point since; ///< of the status
    bool autostart = false;
    bool has_snapshots = false;
    bool managed_save = false;            ///< its memory is kept for the next start
    DefinitionPtr definition;             ///< of the next boot; null for transient domains
    std::shared_ptr<const LiveView> live; ///< null while it does not run
    std::string tainted;

    bool active() const { return live != nullptr; }
    bool persistent() const { return definition != nullptr; }
    /// Of the running domain, else of the definition.
    const Summary& summary() const { return live ? live->summary : definition->summary; }
};
using DomainViewPtr = std::shared_ptr<const DomainView>;

} // namespace domus::compute
