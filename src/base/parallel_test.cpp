#include "base/parallel.hpp"

#include <gtest/gtest.h>

namespace domus {

TEST(ParallelFor, does_each_once) {
    for (const std::size_t count : {0u, 1u, 63u, 64u, 10'000u}) {
        std::vector<std::atomic<int>> done(count);
        parallel_for(count, [&](std::size_t i) { ++done[i]; });
        EXPECT_TRUE(std::ranges::all_of(done, [](const auto& times) { return times == 1; })) << count;
    }
}

} // namespace domus
