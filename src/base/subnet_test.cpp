#include "base/subnet.hpp"

#include <gtest/gtest.h>

namespace domus {

namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

} // namespace

TEST(IpAddress, is_read_and_written_in_both_families) {
    for (const auto* text : {"0.0.0.0", "192.168.122.1", "255.255.255.255", "::", "fd00::1:2"})
        EXPECT_EQ(ip(text).text(), text);
    EXPECT_EQ(IpAddress::v4(0xc0a87a01), ip("192.168.122.1"));
    for (const auto& text : {std::string("10.0.0"), std::string("10.0.0.1/8"), std::string(), std::string("x"),
                             std::string("10.0.0.1\0x", 10)})
        EXPECT_EQ(IpAddress::parse(text), std::nullopt) << text;
}

TEST(IpAddress, is_ordered_as_a_number_and_counted_on) {
    EXPECT_LT(ip("10.0.0.2"), ip("10.0.0.10"));
    EXPECT_EQ(ip("10.0.0.254").plus(2), ip("10.0.1.0"));
    EXPECT_EQ(ip("10.0.1.0").before(), ip("10.0.0.255"));
    EXPECT_EQ(ip("fd00::ffff").plus(1), ip("fd00::1:0"));
    EXPECT_EQ(ip("fd00::1:0").before(), ip("fd00::ffff"));
    EXPECT_EQ(ip("255.255.255.255").plus(1), ip("0.0.0.0"));
    EXPECT_EQ(ip("0.0.0.0").before(), ip("255.255.255.255"));
}

TEST(IpAddress, is_a_netmask_if_its_ones_come_first) {
    EXPECT_EQ(ip("255.255.255.0").as_netmask(), 24u);
    EXPECT_EQ(ip("0.0.0.0").as_netmask(), 0u);
    EXPECT_EQ(ip("ffff:ffff:ffff:ffff::").as_netmask(), 64u);
    EXPECT_EQ(ip("255.0.255.0").as_netmask(), std::nullopt);
    EXPECT_EQ(IpAddress::netmask(false, 40), ip("255.255.255.255"));
}

TEST(Subnet, has_a_first_and_a_last_address) {
    const Subnet small{ip("192.168.122.77"), 24}, odd{ip("10.1.2.3"), 15}, six{ip("fd00:1::5"), 64};
    EXPECT_EQ(small.text(), "192.168.122.0/24");
    EXPECT_EQ(small.last(), ip("192.168.122.255"));
    EXPECT_EQ(odd.first(), ip("10.0.0.0"));
    EXPECT_EQ(odd.last(), ip("10.1.255.255"));
    EXPECT_EQ(six.text(), "fd00:1::/64");
    EXPECT_EQ(six.last(), ip("fd00:1::ffff:ffff:ffff:ffff"));
    EXPECT_EQ((Subnet{ip("1.2.3.4"), 0}.last()), ip("255.255.255.255"));
}

TEST(Subnet, contains_its_addresses_and_overlaps_others_of_its_family) {
    const Subnet wide{ip("10.0.0.1"), 8}, narrow{ip("10.9.0.1"), 24}, other{ip("11.0.0.1"), 8};
    EXPECT_TRUE(narrow.contains(ip("10.9.0.255")));
    EXPECT_FALSE(narrow.contains(ip("10.9.1.0")));
    EXPECT_TRUE(wide.overlaps(narrow) && narrow.overlaps(wide) && wide.overlaps(wide));
    EXPECT_FALSE(wide.overlaps(other));
    const Subnet everything{ip("0.0.0.0"), 0}, six{ip("fd00::1"), 0};
    EXPECT_TRUE(everything.overlaps(wide));
    EXPECT_FALSE(everything.contains(ip("fd00::1")));
    EXPECT_FALSE(six.overlaps(everything) || everything.overlaps(six));
}

} // namespace domus
