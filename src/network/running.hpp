// What the parts of the driver share: a network while it runs, and its record for the next daemon.
#pragma once

#include "network/driver.hpp"
#include "os/definition_store.hpp"
#include "os/stored_files.hpp"

namespace domus::network {

inline constexpr auto timeout = std::chrono::seconds(20);
inline constexpr std::size_t largest_leases = 16u << 20;

struct Driver::Network {
    std::string name;
    Uuid uuid;
    bool autostart = false;
    std::shared_ptr<const model::Network> definition; ///< null: it is gone when it stops
    std::shared_ptr<const model::Network> live;       ///< null while it does not run
    std::shared_ptr<Process> dnsmasq;                 ///< null where none is wanted, or none runs
};

/// The record of a running network, for the next daemon.
struct Driver::Record {
    int pid = 0;
    std::uint64_t start_time = 0;
    bool persistent = true;
    bool unfinished = false; ///< it was being started or stopped: what there is of it goes
    model::Network network;
    bool operator==(const Record&) const = default;
    static const format::Schema& schema() {
        static const format::Schema table =
            format::Describe<Record>("networkstatus", "A running network, for the next daemon.")
                .field("@pid", &Record::pid)
                .field("@started", &Record::start_time)
                .field("@persistent", &Record::persistent)
                .field("@unfinished", &Record::unfinished)
                .field("network", &Record::network);
        return table;
    }
};

/// Why a network cannot be taken over as its record says; empty: it can.
struct Driver::Fault {
    std::string why;
    bool of_another = false; ///< what the record names is not this network's, so that nothing of it goes
};

/// What the folders say at the daemon's start.
struct Driver::Loaded {
    LoadedDefinitions<model::Network> kept;
    std::vector<std::pair<Record, Fault>> records;
    std::map<std::string, std::string> bridges; ///< of this daemon, with their aliases
    bool had_default = false;
};

/// Of QEMU's vendor, as those of guests.
std::string random_mac();

/// The bridge of a network that has a name for it. An address that the definition does not have is random.
netlink::NewBridge bridge_wish(const model::Network& live, std::string alias);

/// For the log.
std::string words_of(const std::exception_ptr& failure);

} // namespace domus::network
