// Flags of calls as bit sets, checked before anything is touched.
#pragma once

#include "base/error.hpp"

#include <fmt/format.h>

#include <string_view>

namespace domus::service {

/// Throws in libvirt's words if `flags` has bits outside `known`.
inline void require_flags(unsigned flags, unsigned known, std::string_view operation) {
    if (const unsigned unknown = flags & ~known)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("unsupported flags (0x{:x}) in function {}", unknown, operation));
}

} // namespace domus::service
