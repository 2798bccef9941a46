// The types of fields in libvirt's messages that C++ has no word for (RFC 4506, and rpc/virnetprotocol.x).
#pragma once

#include "base/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace domus::wire {

/// opaque<N>: bytes with a length before them.
struct Opaque {
    std::string bytes;
    bool operator==(const Opaque&) const = default;
};

/// char<N>: an array of char, each of which XDR widens to four bytes.
struct Chars {
    std::string text;
    bool operator==(const Chars&) const = default;
};

/// char[N]: always N of them, filled up with zeros.
template <std::uint32_t Size> struct FixedChars {
    std::string text;
    bool operator==(const FixedChars&) const = default;
};

struct Boolean {
    bool value = false;
    bool operator==(const Boolean&) const = default;
};

/// remote_typed_param_value; the discriminant on the wire is the index plus one (virTypedParameterType).
struct TypedValue {
    std::variant<std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, double, Boolean, std::string> value;
    bool operator==(const TypedValue&) const = default;
};

/// No arguments, or no result: zero bytes.
struct Nothing {
    template <class Self, class Walker> static void walk(Self&, Walker&) {}
};

} // namespace domus::wire
