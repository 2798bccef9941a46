// The record of a running network, for the next daemon.
#pragma once

#include "model/network.hpp"
#include "os/stored_files.hpp"

#include <cstdint>
#include <string>

namespace domus::network {

struct Record {
    int pid = 0;                  ///< of its dnsmasq; 0: none runs
    std::uint64_t start_time = 0; ///< of its dnsmasq, as in /proc/PID/stat
    bool persistent = true;
    bool unfinished = false; ///< it was being started or stopped: what there is of it goes
    model::Network network;

    static const format::Schema& schema();
    bool operator==(const Record&) const = default;
};

/// Throws Error for a record from which nothing could be taken over.
Record read_record(const std::string& name, const std::string& text);

} // namespace domus::network
