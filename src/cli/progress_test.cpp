#include "cli/progress.hpp"

#include <gtest/gtest.h>

namespace domus::cli {

namespace {

using namespace std::chrono_literals;

TEST(Progress, tells_rate_and_time_left) {
    EXPECT_EQ(progress_line("convert", 0.25, 10s, 400u << 20, 60),
              "convert [#####                ]  25 %   10 MiB/s   0:30 left");
    EXPECT_EQ(progress_line("x", 0.5, 4000s, 0, 40), "x [#######        ]  50 %   1:06:40 left");
}

TEST(Progress, is_never_wider_than_the_terminal) {
    for (std::size_t width = 1; width < 120; ++width)
        EXPECT_LE(progress_line("convert", 0.5, 10s, 400u << 20, width).size(), width);
}

TEST(Progress, takes_any_number) {
    EXPECT_EQ(progress_line("x", 0, 1s, 0, 30), "x [                    ]   0 %");
    EXPECT_EQ(progress_line("x", 7, 1s, 0, 30), "x [########] 100 %   0:00 left");
    EXPECT_EQ(progress_line("x", 1e-9, 1s, 0, 20), "  0 %   99:59:59 lef");
}

TEST(Progress, tells_what_is_done_where_the_end_is_not_known) {
    EXPECT_EQ(progress_line_without_end("Wiping a", 0, 3723s, 80), "Wiping a 1:02:03");
    EXPECT_EQ(progress_line_without_end("Uploading a", 64u << 20, 4s, 80), "Uploading a 64.00 MiB   16 MiB/s   0:04");
    for (std::size_t width = 1; width < 80; ++width)
        EXPECT_LE(progress_line_without_end("Uploading a", 64u << 20, 4s, width).size(), width);
}

} // namespace

} // namespace domus::cli
