// The DHCP client of a host with ifupdown, which has no daemon of its own: dhclient, dhcpcd or udhcpc, run as ifup(8) runs
// them. systemd-networkd and NetworkManager are clients themselves, and hear of new files otherwise. Blocks: use a lane.
#pragma once

#include "format/schema.hpp"
#include "os/process.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace domus::host {

/// A lease that goes from one device to another, with the MAC address or client id for which the server gave it; empty
/// `from`: a new one.
struct LeaseMove {
    std::string from, to;
    bool v6 = false;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const LeaseMove&) const = default;
};

/// The command; nothing where no client is installed.
std::optional<Command> dhcp_client(const std::filesystem::path& root, const LeaseMove& move);
/// Ends the client of the old device without giving the lease back, gives its lease file to the new device, and starts a
/// client there, which asks for the same address. Throws operation_failed where no client is installed.
void move_lease(const std::filesystem::path& root, const LeaseMove& move);

} // namespace domus::host
