// A domain's, network's or pool's UUID (RFC 9562): 16 bytes on the wire, 36 characters in XML.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace domus {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};

    /// A random (version 4) UUID from the kernel's generator.
    static Uuid random();
    /// Accepts 32 hexadecimal digits with hyphens or blanks anywhere between them, as libvirt does.
    static std::optional<Uuid> parse(std::string_view text);

    std::string text() const;
    bool empty() const { return *this == Uuid{}; }
    auto operator<=>(const Uuid&) const = default;
};

} // namespace domus

template <> struct std::hash<domus::Uuid> {
    std::size_t operator()(const domus::Uuid& uuid) const noexcept {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()});
    }
};
