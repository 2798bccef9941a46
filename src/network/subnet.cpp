#include "network/subnet.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace domus::network {

Subnet choose_subnet(const std::vector<Subnet>& taken) {
    constexpr std::uint32_t base = 192u << 24 | 168u << 16;
    for (std::uint32_t third = 122; third < 255; ++third) {
        const Subnet candidate{IpAddress::v4(base | third << 8 | 1), 24};
        if (std::ranges::none_of(taken,
                                 [&](const Subnet& other) { return other.prefix > 0 && other.overlaps(candidate); }))
            return candidate;
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                "no subnet of 192.168.122.0/24 to 192.168.254.0/24 is free")
        .hint("give the network an <ip address=... netmask=.../> of its own: 'domus net-edit NAME'");
}

} // namespace domus::network
