// Errors that many operations on domains throw.
#pragma once

#include "base/error.hpp"

#include <string>

namespace domus::compute {

/// operation_invalid in libvirt's words.
inline Error invalid_operation(const std::string& what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::qemu, "Requested operation is not valid: " + what);
}

} // namespace domus::compute
