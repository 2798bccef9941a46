#include "os/free_memory.hpp"

#include <malloc.h>

#include <algorithm>

namespace domus {

namespace {

constexpr std::size_t worth_it = 2u << 20;

std::size_t free_bytes() { return ::mallinfo2().fordblks; }

} // namespace

bool FreeMemory::give_back() {
    const auto free = free_bytes();
    if (free < kept_ + worth_it) {
        kept_ = std::min(kept_, free);
        return false;
    }
    ::malloc_trim(0);
    kept_ = free;
    return true;
}

} // namespace domus
