#include "base/uuid.hpp"

#include <gtest/gtest.h>

namespace domus {

TEST(Uuid, reads_what_it_writes) {
    const auto uuid = Uuid::random();
    EXPECT_EQ(Uuid::parse(uuid.text()), uuid);
}

TEST(Uuid, accepts_digits_without_hyphens_and_capitals) {
    const auto uuid = Uuid::parse("A2FDCEF276AD41C58BA3304B3BFECCCD");
    ASSERT_TRUE(uuid);
    EXPECT_EQ(uuid->text(), "a2fdcef2-76ad-41c5-8ba3-304b3bfecccd");
}

TEST(Uuid, refuses_wrong_lengths_and_letters) {
    EXPECT_FALSE(Uuid::parse(""));
    EXPECT_FALSE(Uuid::parse("a2fdcef2-76ad-41c5-8ba3-304b3bfeccc"));
    EXPECT_FALSE(Uuid::parse("a2fdcef2-76ad-41c5-8ba3-304b3bfecccd0"));
    EXPECT_FALSE(Uuid::parse("g2fdcef2-76ad-41c5-8ba3-304b3bfecccd"));
}

TEST(Uuid, random_ones_have_version_4_and_differ) {
    const auto a = Uuid::random();
    EXPECT_EQ(a.bytes[6] >> 4, 4);
    EXPECT_EQ(a.bytes[8] >> 6, 2);
    EXPECT_NE(a, Uuid::random());
}

} // namespace domus
