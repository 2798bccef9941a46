#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace domus {

TEST(Unit, knows_decimal_and_binary_names) {
    EXPECT_EQ(unit_factor("bytes"), 1u);
    EXPECT_EQ(unit_factor("KiB"), 1024u);
    EXPECT_EQ(unit_factor("k"), 1024u);
    EXPECT_EQ(unit_factor("KB"), 1000u);
    EXPECT_EQ(unit_factor("G"), 1ull << 30);
    EXPECT_EQ(unit_factor("EiB"), 1ull << 60);
}

TEST(Unit, refuses_others) {
    EXPECT_FALSE(unit_factor(""));
    EXPECT_FALSE(unit_factor("x"));
    EXPECT_FALSE(unit_factor("kibi"));
}

TEST(ByteCount, rounds_up) {
    EXPECT_EQ(ByteCount{1}.kib_ceil(), 1u);
    EXPECT_EQ(ByteCount::kib(4).kib_ceil(), 4u);
    EXPECT_EQ(ByteCount{(1u << 20) + 1}.mib_ceil(), 2u);
}

} // namespace domus
