// Work on many things of one kind, on all processors: for what costs time, not for what waits.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace domus {

/// Calls `work(i)` for each i below `count`, from several threads, and returns when all are done. `work` must not throw.
template <class Work> void parallel_for(std::size_t count, const Work& work) {
    constexpr std::size_t worth_a_thread = 64;
    std::atomic<std::size_t> next = 0;
    const auto take = [&] {
        for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
    };
    const auto processors = std::max<std::size_t>(1, std::thread::hardware_concurrency());
    std::vector<std::jthread> helpers;
    for (std::size_t n = 1; n < std::min(processors, count / worth_a_thread); ++n) helpers.emplace_back(take);
    take();
}

} // namespace domus
