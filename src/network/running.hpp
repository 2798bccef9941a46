// What the parts of the driver share: a network while it runs, and its record for the next daemon.
#pragma once

#include "network/driver.hpp"

namespace domus::network {

inline constexpr auto patience = std::chrono::seconds(20);
inline constexpr std::size_t largest_file = 4u << 20;

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
    model::Network network;
    bool operator==(const Record&) const = default;
    static const format::Schema& schema() {
        static const format::Schema table =
            format::Describe<Record>("networkstatus", "A running network, for the next daemon.")
                .field("@pid", &Record::pid)
                .field("@started", &Record::start_time)
                .field("@persistent", &Record::persistent)
                .field("network", &Record::network);
        return table;
    }
};

/// Of QEMU's vendor, as those of guests.
std::string random_mac();

/// For the log.
std::string words_of(const std::exception_ptr& failure);

} // namespace domus::network
