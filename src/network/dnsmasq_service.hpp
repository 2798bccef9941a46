// The dnsmasq of one network. It outlives the daemon, and is known again by the log that it holds locked.
#pragma once

#include "async/lane.hpp"
#include "network/dnsmasq.hpp"
#include "os/process.hpp"

#include <filesystem>
#include <memory>

namespace domus::network {

struct DnsmasqPlaces {
    DnsmasqFiles files;
    std::filesystem::path pid_file;
    std::filesystem::path log; ///< its standard error
};

class DnsmasqService {
public:
    DnsmasqService(Lane& lane, DnsmasqPlaces places) : lane_(lane), places_(std::move(places)) {}

    /// Ends the one that runs, if any. Throws Error with dnsmasq's own words if it refuses what the network wants.
    Task<> run(std::shared_ptr<const model::Network> live);
    /// Whether dnsmasq must be run again for what changed; otherwise reload() is enough.
    bool wants_restart(const model::Network& before, const model::Network& after) const;
    /// Hosts and names are read again; addresses that are lent stay. Throws Error.
    Task<> reload(std::shared_ptr<const model::Network> live);
    /// Ends it, also one that a daemon started which died before it had noted that.
    Task<> end();
    /// The process that a former daemon noted; if it has gone, the one that holds the log.
    Task<> take_over(int pid, std::uint64_t start_time);
    /// Null if none is known.
    const std::shared_ptr<Process>& process() const { return process_; }
    /// All that it made, but for the leases.
    std::vector<std::filesystem::path> made_files() const;

private:
    Task<> wait_until_ready(std::shared_ptr<Process> process);

    Lane& lane_;
    DnsmasqPlaces places_;
    std::shared_ptr<Process> process_;
};

} // namespace domus::network
