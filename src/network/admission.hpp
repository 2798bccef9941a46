// What a definition of a network must keep to before anything is made of it: its names go into the scripts of nft and
// dnsmasq, and what this version would ignore it refuses. All throw Error.
#pragma once

#include "base/subnet.hpp"
#include "model/network.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::network {

/// The subnet of an <ip>; nothing for one without an address. Throws xml_error.
std::optional<Subnet> subnet_of(const model::NetworkIp& ip);
/// Those of its <ip>, in their order. Throws xml_error.
std::vector<Subnet> subnets_of(const model::Network& network);
bool has_ipv6(const model::Network& network);
/// Where a <route> goes to. Throws xml_error.
Subnet destination_of(const model::Route& route);
/// 1 where the definition has none.
unsigned metric_of(const model::Route& route);

/// Throws what is wrong with it in itself: xml_error with all findings, config_unsupported.
void require_usable(const model::Network& network);
/// Throws xml_error for names that are none, config_unsupported for options that dnsmasq does not get.
void require_harmless(const model::Network& network);

/// Throws xml_error for a name that the kernel would cut off or refuse (IFNAMSIZ).
void require_device_name(const std::optional<std::string>& name);

/// Whether a <dnsmasq:option> may be handed over: dnsmasq starts as root, so that only options that neither run
/// programs, change the user, nor name files are let through (dnsmasq(8)).
bool is_harmless_option(std::string_view option);

} // namespace domus::network
