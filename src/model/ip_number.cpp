#include "model/ip_number.hpp"

#include <arpa/inet.h>

namespace domus::model {

namespace {

bool bit(const IpNumber& number, unsigned index) { return (number.bytes[index / 8] >> (7 - index % 8) & 1) != 0; }

} // namespace

std::optional<IpNumber> IpNumber::parse(const std::string& text) {
    IpNumber number;
    if (inet_pton(AF_INET, text.c_str(), number.bytes.data()) == 1) return number;
    number = {};
    number.v6 = true;
    if (inet_pton(AF_INET6, text.c_str(), number.bytes.data()) == 1) return number;
    return std::nullopt;
}

bool IpNumber::in_subnet_of(const IpNumber& other, unsigned prefix) const {
    if (v6 != other.v6) return false;
    for (unsigned i = 0; i < prefix && i < width(); ++i)
        if (bit(*this, i) != bit(other, i)) return false;
    return true;
}

std::optional<unsigned> IpNumber::as_netmask() const {
    unsigned ones = 0;
    while (ones < width() && bit(*this, ones)) ++ones;
    for (unsigned i = ones; i < width(); ++i)
        if (bit(*this, i)) return std::nullopt;
    return ones;
}

} // namespace domus::model
