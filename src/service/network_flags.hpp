// Flags of operations on networks and interfaces of the host, bit for bit as in libvirt.
#pragma once

#include "service/flags.hpp"

namespace domus::service {

/// virConnectListAllNetworksFlags.
enum class NetworkListFlag { inactive, active, persistent, transient, autostart, no_autostart };
/// virNetworkXMLFlags.
enum class NetworkXmlFlag { inactive };
/// virNetworkDefineFlags, virNetworkCreateFlags.
enum class NetworkDefineFlag { validate };
/// virNetworkUpdateFlags.
enum class NetworkUpdateFlag { live, config };
/// virConnectListAllInterfacesFlags.
enum class InterfaceListFlag { inactive, active };
/// virInterfaceXMLFlags.
enum class InterfaceXmlFlag { inactive };
/// virInterfaceDefineFlags.
enum class InterfaceDefineFlag { validate };
/// Ours, of changes that are made as one.
enum class InterfaceChangeFlag { no_stp, no_start, dry_run };

} // namespace domus::service

namespace domus::format {

template <>
inline constexpr auto words<service::NetworkListFlag> =
    word_list("inactive", "active", "persistent", "transient", "autostart", "no-autostart");
template <> inline constexpr auto words<service::NetworkXmlFlag> = word_list("inactive");
template <> inline constexpr auto words<service::NetworkDefineFlag> = word_list("validate");
template <> inline constexpr auto words<service::NetworkUpdateFlag> = word_list("live", "config");
template <> inline constexpr auto words<service::InterfaceListFlag> = word_list("inactive", "active");
template <> inline constexpr auto words<service::InterfaceXmlFlag> = word_list("inactive");
template <> inline constexpr auto words<service::InterfaceDefineFlag> = word_list("validate");
template <> inline constexpr auto words<service::InterfaceChangeFlag> = word_list("no-stp", "no-start", "dry-run");

} // namespace domus::format
