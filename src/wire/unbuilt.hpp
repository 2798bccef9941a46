// What is answered to calls of libvirt's that this version has not built.
#pragma once

#include "base/error.hpp"

#include <cstdint>

namespace domus::wire {

/// With the code and the beginning of the message on which libvirt's clients fall back; names the operation, and what to
/// use in its place.
Error unknown_procedure(std::uint32_t program, std::int32_t number);

} // namespace domus::wire
