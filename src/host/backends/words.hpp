// What the backends share: lines and words of files, and values that several of them write.
#pragma once

#include "base/ip_address.hpp"
#include "host/backends/backend.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::host::backends {

/// Without their ends; a last line without one counts too.
std::vector<std::string> lines_of(std::string_view text);
std::string text_of(const std::vector<std::string>& lines);
/// At blanks.
std::vector<std::string> words_of(std::string_view line);
std::string trimmed(std::string_view text);
std::vector<std::string> split(std::string_view text, char at);

/// "10.0.0.2/24"; without a prefix that of a host.
std::string with_prefix(const model::InterfaceIp& ip);
model::InterfaceIp parse_ip(std::string_view text);
/// Adds an address, a route or "this family comes by DHCP" to the family that the text belongs to.
void add_address(model::HostInterface& interface, std::string_view text);
void add_gateway(model::HostInterface& interface, std::string_view text, std::optional<unsigned> metric = {});
void add_route(model::HostInterface& interface, std::string_view destination, std::string_view gateway,
               std::optional<unsigned> metric);
bool is_v6(std::string_view address);
bool is_default(const model::InterfaceRoute& route);
/// "10.0.0.0/8"
std::string destination_of(const model::InterfaceRoute& route);

/// `configures`: whether the system configures a device now; `runs`: paths of which one is there where it runs.
Presence presence_of(const FilePlan& files, bool configures, std::initializer_list<std::string_view> runs);

std::optional<unsigned> to_number(std::string_view text);
std::optional<model::BondMode> to_bond_mode(std::string_view text); ///< a word or a number
bool to_truth(std::string_view text);                               ///< "yes", "on", "true", "1"

/// Which of them have the name; makes one of the type where there is none.
model::HostInterface& named(std::vector<model::HostInterface>& all, const std::string& name,
                            model::HostInterfaceType type = model::HostInterfaceType::ethernet);
/// Fills the ports of bridges and the members of bonds from the interfaces of their names, in the order given.
struct Membership {
    std::string master, member;
};
void join(std::vector<model::HostInterface>& all, const std::vector<Membership>& memberships);

/// Of the first port that has one: else a bridge gets one at random from udev, and with it another DHCP lease.
std::optional<std::string> bridge_mac(const model::HostInterface& bridge);
/// The interfaces below it, as they must be configured beside it: without addresses.
std::vector<model::HostInterface> members_of(const model::HostInterface& interface);

} // namespace domus::host::backends
