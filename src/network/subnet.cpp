#include "network/subnet.hpp"

#include "base/error.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace domus::network {

std::string address_text(std::uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

std::string Subnet::text() const { return fmt::format("{}/{}", address_text(first()), prefix); }

std::optional<std::uint32_t> parse_address(std::string_view text) {
    in_addr address{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
    return ntohl(address.s_addr);
}

std::optional<unsigned> prefix_of_netmask(std::string_view netmask) {
    const auto mask = parse_address(netmask);
    if (!mask) return std::nullopt;
    const auto ones = static_cast<unsigned>(std::countl_one(*mask));
    if (static_cast<unsigned>(std::popcount(*mask)) != ones) return std::nullopt;
    return ones;
}

Subnet choose_subnet(const std::vector<Subnet>& taken) {
    constexpr std::uint32_t base = 192u << 24 | 168u << 16;
    for (std::uint32_t third = 122; third < 255; ++third) {
        const Subnet candidate{base | third << 8 | 1, 24};
        if (std::ranges::none_of(taken,
                                 [&](const Subnet& other) { return other.prefix > 0 && other.overlaps(candidate); }))
            return candidate;
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                "no subnet of 192.168.122.0/24 to 192.168.254.0/24 is free")
        .hint("give the network an <ip address=... netmask=.../> of its own: 'domus net-edit NAME'");
}

} // namespace domus::network
