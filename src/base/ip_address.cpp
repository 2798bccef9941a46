#include "base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace domus {

namespace {

bool bit(const IpAddress& address, unsigned index) { return (address.bytes[index / 8] >> (7 - index % 8) & 1) != 0; }

} // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string terminated(text);
    IpAddress address;
    if (terminated.size() != std::string_view(terminated.c_str()).size()) return std::nullopt;
    if (::inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
    address = {};
    address.v6 = true;
    if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
    return std::nullopt;
}

IpAddress IpAddress::v4(std::uint32_t number) {
    IpAddress address;
    for (unsigned i = 0; i < 4; ++i) address.bytes[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return address;
}

IpAddress IpAddress::netmask(bool v6, unsigned prefix) {
    IpAddress mask;
    mask.v6 = v6;
    for (unsigned i = 0; i < std::min(prefix, mask.width()); ++i)
        mask.bytes[i / 8] = static_cast<std::uint8_t>(mask.bytes[i / 8] | 0x80 >> i % 8);
    return mask;
}

std::string IpAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    return ::inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
}

std::optional<unsigned> IpAddress::as_netmask() const {
    unsigned ones = 0;
    while (ones < width() && bit(*this, ones)) ++ones;
    if (*this != netmask(v6, ones)) return std::nullopt;
    return ones;
}

IpAddress IpAddress::plus(unsigned count) const {
    auto sum = *this;
    std::uint64_t carry = count;
    for (unsigned i = width() / 8; i-- > 0 && carry > 0;) {
        carry += sum.bytes[i];
        sum.bytes[i] = static_cast<std::uint8_t>(carry);
        carry >>= 8;
    }
    return sum;
}

IpAddress IpAddress::before() const {
    auto less = *this;
    for (unsigned i = width() / 8; i-- > 0;)
        if (less.bytes[i]-- != 0) break;
    return less;
}

} // namespace domus
