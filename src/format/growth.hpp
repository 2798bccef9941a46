// For tests: whether what some work costs grows with its size and no faster.
#pragma once

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <functional>
#include <string>

namespace domus::format {

/// Of this thread alone: what else the machine does counts little.
inline double cpu_seconds(const std::function<void()>& work) {
    const auto now = [] {
        timespec at{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
        return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
    };
    const auto begin = now();
    work();
    return now() - begin;
}

/// `times` as much costs its square if it is quadratic; the limit lies half way (in magnitude) between linear and that. Each
/// attempt keeps the best time of either size, so that only what is slow every time fails.
inline void expect_linear(const std::string& what, std::size_t few, std::size_t times,
                          const std::function<void(std::size_t)>& work) {
    // Memory that was used before is used again: page faults cost the more the busier the machine is.
    constexpr int always = 1 << 30;
    ::mallopt(M_MMAP_THRESHOLD, always);
    ::mallopt(M_TRIM_THRESHOLD, always);
    constexpr int attempts = 10;
    const auto limit = std::pow(static_cast<double>(times), 1.5);
    double small = 1e9, large = 1e9;
    for (int i = 0; i < attempts; ++i) {
        small = std::min(small, cpu_seconds([&] { work(few); }));
        large = std::min(large, cpu_seconds([&] { work(few * times); }));
        if (large < small * limit) return;
    }
    ADD_FAILURE() << what << ": " << few << " cost " << small * 1e3 << " ms, " << times << " times as many "
                  << large * 1e3 << " ms";
}

} // namespace domus::format
