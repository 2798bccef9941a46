#include "wire/dispatcher.hpp"

namespace domus::wire {

const Dispatcher::Entry* Dispatcher::find(std::uint32_t program, std::int32_t procedure) const {
    const auto found = entries_.find(key(program, procedure));
    return found == entries_.end() ? nullptr : &found->second;
}

} // namespace domus::wire
