// Errors of networks in libvirt's words.
#pragma once

#include "base/error.hpp"

#include <fmt/format.h>

#include <string>

namespace domus::network {

inline Error invalid_operation(const std::string& what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::network,
                 fmt::format("Requested operation is not valid: {}", what));
}

} // namespace domus::network
