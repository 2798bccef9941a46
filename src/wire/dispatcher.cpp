#include "wire/dispatcher.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace domus::wire {

void require_reading(const service::Caller& caller, const ProcedureInfo& info) {
    if (caller.read_only && !info.read_only)
        throw Error(ErrorCode::operation_denied, ErrorDomain::rpc,
                    fmt::format("operation forbidden: read only access prevents {}", info.name))
            .hint("connect without --readonly, to the socket for changes");
}

const Dispatcher::Entry* Dispatcher::find(std::uint32_t program, std::int32_t procedure) const {
    const auto found = entries_.find(key(program, procedure));
    return found == entries_.end() ? nullptr : &found->second;
}

} // namespace domus::wire
