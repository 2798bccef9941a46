#include "base/number.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace domus {

TEST(Number, is_all_of_the_text_or_none) {
    EXPECT_EQ(parse_number<int>("-12"), -12);
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
    EXPECT_EQ(parse_number<unsigned>("1d6b", 16), 0x1d6bu);
    for (const auto* text : {"", " 1", "1 ", "+1", "0x1", "1.5", "a", "99999999999"})
        EXPECT_EQ(parse_number<int>(text), std::nullopt) << text;
    EXPECT_EQ(parse_number<unsigned>("-1"), std::nullopt);
}

} // namespace domus
