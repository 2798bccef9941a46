// What a domain's interface and a virtual network have in common: VLAN tags, virtual ports, bandwidth, IP, routes.
#pragma once

#include "model/common.hpp"

namespace domus::model {

enum class NativeMode { tagged, untagged };
enum class AddressFamily { ipv4, ipv6 };

struct VlanTag {
    unsigned id = 0; ///< 1 to 4094
    std::optional<NativeMode> native_mode;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VlanTag&) const = default;
};

struct Vlan {
    std::optional<bool> trunk;
    std::vector<VlanTag> tags;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Vlan&) const = default;
};

struct VirtualPort {
    std::optional<std::string> type; ///< "openvswitch", "802.1Qbg", "802.1Qbh", "midonet"
    std::optional<unsigned> managerid, typeid_, typeidversion;
    std::optional<Uuid> instanceid;
    std::optional<std::string> profileid;
    std::optional<Uuid> interfaceid;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VirtualPort&) const = default;
};

struct BandwidthLimit {
    std::optional<std::uint64_t> average; ///< kilobytes a second
    std::optional<std::uint64_t> peak;    ///< kilobytes a second
    std::optional<std::uint64_t> floor;   ///< kilobytes a second that are guaranteed
    std::optional<std::uint64_t> burst;   ///< kilobytes at peak speed
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BandwidthLimit&) const = default;
};

struct Bandwidth {
    std::optional<BandwidthLimit> inbound, outbound; ///< as the guest sees it
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Bandwidth&) const = default;
};

struct Route {
    std::optional<AddressFamily> family;
    std::string address;
    std::optional<std::string> netmask;
    std::optional<unsigned> prefix;
    std::string gateway;
    std::optional<unsigned> metric;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Route&) const = default;
};

/// An address of an interface itself (not of a network, which has ranges: network.hpp).
struct IpAddress {
    std::string address;
    std::optional<AddressFamily> family;
    std::optional<unsigned> prefix;
    std::optional<std::string> peer;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const IpAddress&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::NativeMode> = word_list("tagged", "untagged");
template <> inline constexpr auto words<model::AddressFamily> = word_list("ipv4", "ipv6");
} // namespace domus::format
