// IP addresses as numbers, to compare them and to see whether one is in a subnet.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace domus::model {

struct IpNumber {
    std::array<std::uint8_t, 16> bytes{}; ///< network order; IPv4 uses the first four
    bool v6 = false;

    static std::optional<IpNumber> parse(const std::string& text);

    unsigned width() const { return v6 ? 128 : 32; }
    /// Whether the first `prefix` bits of both are equal; false for different families.
    bool in_subnet_of(const IpNumber& other, unsigned prefix) const;
    /// 24 for 255.255.255.0; nothing if it is no mask.
    std::optional<unsigned> as_netmask() const;

    auto operator<=>(const IpNumber&) const = default;
};

} // namespace domus::model
