#include "base/text.hpp"

#include <gtest/gtest.h>

namespace domus {

TEST(Text, is_cut_between_characters) {
    constexpr std::string_view text = "a\u00e4\u4e2d\U0001f600";
    EXPECT_EQ(cut_text(text, 99), text);
    EXPECT_EQ(cut_text(text, 2), "a");
    EXPECT_EQ(cut_text(text, 3), "a\u00e4");
    EXPECT_EQ(cut_text(text, 5), "a\u00e4");
    EXPECT_EQ(cut_text(text, 9), "a\u00e4\u4e2d");
    EXPECT_EQ(cut_text(text, 0), "");
    EXPECT_EQ(cut_text_front(text, 5), "\U0001f600");
    EXPECT_EQ(cut_text_front(text, 7), "\u4e2d\U0001f600");
}

TEST(Text, has_a_mark_for_each_byte_of_no_character) {
    for (const std::string_view whole : {"", "plain", "\u00e4\u4e2d\U0001f600\U0010ffff\n"})
        EXPECT_EQ(as_utf8(whole), whole);
    EXPECT_EQ(as_utf8("a\xff"
                      "b"),
              "a\ufffdb");
    EXPECT_EQ(as_utf8("\xe4\xb8"), "\ufffd\ufffd");                               // cut off
    EXPECT_EQ(as_utf8("\xc0\x80\xed\xa0\x80"), "\ufffd\ufffd\ufffd\ufffd\ufffd"); // too long, and a surrogate
    EXPECT_EQ(as_utf8("\xf5\x80\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
}

} // namespace domus
