// Reading documents of clients, which may be long, without holding up the loop.
#pragma once

#include "async/lane.hpp"

namespace domus {

/// A document of so many bytes is read and judged in a lane: on the loop it would hold up everybody for a moment. For
/// smaller ones a thread costs more than it spares.
inline constexpr std::size_t large_document = 64u << 10;

/// Work on a document of that size: at once, or in the lane if it is large.
template <class Work>
Task<std::invoke_result_t<Work>> read_document(Lane& lane, std::size_t bytes, Deadline by, Work work) {
    if (bytes < large_document) co_return work();
    auto result = co_await lane.run(by, std::move(work));
    co_return result;
}

} // namespace domus
