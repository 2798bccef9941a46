// IP addresses of both families as values: read from text, written, compared and counted on.
//
//     const auto address = IpAddress::parse("192.168.122.1");      // nothing for what is none
//     const auto first_guest = address->plus(1);                   // 192.168.122.2
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace domus {

struct IpAddress {
    std::array<std::uint8_t, 16> bytes{}; ///< network order; IPv4 uses the first four
    bool v6 = false;

    /// As inet_pton(3) reads it: "192.168.122.1", "fd00::1".
    static std::optional<IpAddress> parse(std::string_view text);
    /// From a number in host byte order.
    static IpAddress v4(std::uint32_t number);
    /// 255.255.255.0 for 24. At most width() bits count.
    static IpAddress netmask(bool v6, unsigned prefix);

    unsigned width() const { return v6 ? 128 : 32; }
    std::string text() const;
    /// 24 for 255.255.255.0; nothing if it is no mask.
    std::optional<unsigned> as_netmask() const;
    /// The address that many further; it begins again after the last one.
    IpAddress plus(unsigned count) const;
    /// The address before this one; it ends again at the first one.
    IpAddress before() const;

    /// IPv4 addresses come before IPv6 addresses of the same bytes; among themselves they are ordered as numbers.
    auto operator<=>(const IpAddress&) const = default;
};

} // namespace domus
