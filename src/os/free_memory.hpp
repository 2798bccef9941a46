// Memory that was freed and that the allocator keeps: after 5,000 definitions went, it is most of the daemon.
#pragma once

#include <cstddef>

namespace domus {

class FreeMemory {
public:
    /// Gives it back to the system if several MiB came together since the last time (malloc_trim(3)); else costs less
    /// than a millisecond. True if it did.
    bool give_back();

private:
    std::size_t kept_ = 0; ///< bytes that were free after the last time: pieces of pages that are in use
};

} // namespace domus
