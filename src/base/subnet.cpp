#include "base/subnet.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus {

IpAddress Subnet::first() const {
    auto found = address;
    const auto ones = mask();
    for (unsigned i = 0; i < found.bytes.size(); ++i) found.bytes[i] &= ones.bytes[i];
    return found;
}

IpAddress Subnet::last() const {
    auto found = address;
    const auto ones = mask();
    for (unsigned i = 0; i < found.width() / 8; ++i)
        found.bytes[i] = static_cast<std::uint8_t>(found.bytes[i] | ~ones.bytes[i]);
    return found;
}

bool Subnet::contains(const IpAddress& other) const {
    return other.v6 == address.v6 && Subnet{other, prefix}.first() == first();
}

bool Subnet::overlaps(const Subnet& other) const {
    const auto& wider = prefix < other.prefix ? *this : other;
    const auto& narrower = prefix < other.prefix ? other : *this;
    return wider.contains(narrower.address);
}

std::string Subnet::text() const { return fmt::format("{}/{}", first().text(), prefix); }

unsigned usual_prefix(const IpAddress& address) {
    if (address.bytes == decltype(address.bytes){}) return 0;
    if (address.v6) return 64;
    const auto first = address.bytes.front();
    if (first < 128) return 8;
    return first < 192 ? 16 : 24;
}

} // namespace domus
