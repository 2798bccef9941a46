// IPv4 subnets: which one is free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::network {

/// An address with the length of its network's prefix; addresses in host byte order.
struct Subnet {
    std::uint32_t address = 0;
    unsigned prefix = 24;

    std::uint32_t mask() const { return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix); }
    std::uint32_t first() const { return address & mask(); }
    std::uint32_t last() const { return first() | ~mask(); }
    bool overlaps(const Subnet& other) const { return first() <= other.last() && other.first() <= last(); }
    /// "192.168.122.0/24"
    std::string text() const;
    bool operator==(const Subnet&) const = default;
};

std::string address_text(std::uint32_t address);
std::optional<std::uint32_t> parse_address(std::string_view text);
/// Of "255.255.255.0"; nothing if the ones do not come first.
std::optional<unsigned> prefix_of_netmask(std::string_view netmask);

/// 192.168.122.0/24 if nothing overlaps it, else 192.168.123.0/24 and so on to 254. Throws Error if none is free.
Subnet choose_subnet(const std::vector<Subnet>& taken);

} // namespace domus::network
