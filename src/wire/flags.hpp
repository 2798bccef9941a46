// libvirt's masks of flags, taken apart: each bit is one that the operation knows, or the call is refused in libvirt's words
// before anything is done.
#pragma once

#include "base/error.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

#include <string_view>

namespace domus::wire {

/// `function` is libvirt's name for the call: "virDomainDestroyFlags".
template <class Enum> service::Flags<Enum> flags(std::uint32_t bits, std::string_view function) {
    if (const auto unknown = bits & ~service::known_bits<Enum>())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("unsupported flags (0x{:x}) in function {}", unknown, function));
    return service::Flags<Enum>::from_bits(bits);
}

/// A number that stands for one of the words of an enumeration; `what` it is.
template <class Enum> Enum one_of(std::uint32_t number, std::string_view what) {
    if (number >= format::words<Enum>.size())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::none,
                    fmt::format("invalid argument: there is no {} {}", what, number));
    return static_cast<Enum>(number);
}

/// Of a call that has none yet.
inline void no_flags(std::uint32_t bits, std::string_view function) {
    if (bits)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("unsupported flags (0x{:x}) in function {}", bits, function));
}

} // namespace domus::wire
