// Flags of operations as sets of an enumeration: enumerator n is bit n, as in libvirt's masks, and words<> beside the
// enumeration name them. An empty word is a bit that the operation does not know.
//
//     enum class DestroyFlag { graceful, remove_logs };
//     template <> inline constexpr auto format::words<DestroyFlag> = format::word_list("graceful", "remove-logs");
//
//     Task<> destroy(DomainRef domain, Flags<DestroyFlag> flags);
//     destroy(domain, {DestroyFlag::graceful});
#pragma once

#include "format/schema.hpp"

#include <cstdint>
#include <initializer_list>

namespace domus::service {

template <class Enum> class Flags {
public:
    using Enumeration = Enum;

    constexpr Flags() = default;
    constexpr Flags(std::initializer_list<Enum> flags) {
        for (const auto flag : flags) bits_ |= bit(flag);
    }
    /// Of a mask without unknown bits.
    static constexpr Flags from_bits(std::uint32_t bits) {
        Flags flags;
        flags.bits_ = bits;
        return flags;
    }

    constexpr bool has(Enum flag) const { return bits_ & bit(flag); }
    constexpr bool has_any(Flags others) const { return bits_ & others.bits_; }
    constexpr bool empty() const { return bits_ == 0; }
    constexpr std::uint32_t bits() const { return bits_; }
    constexpr bool operator==(const Flags&) const = default;

private:
    static constexpr std::uint32_t bit(Enum flag) { return std::uint32_t{1} << static_cast<unsigned>(flag); }

    std::uint32_t bits_ = 0;
};

/// The bits that have a word.
template <class Enum> constexpr std::uint32_t known_bits() {
    std::uint32_t known = 0;
    for (std::size_t i = 0; i < format::words<Enum>.size(); ++i)
        if (!format::words<Enum>[i].empty()) known |= std::uint32_t{1} << i;
    return known;
}

/// Of a list's two flags for one property none, both or the right one is set.
template <class Enum> constexpr bool passes(Flags<Enum> flags, Enum yes, Enum no, bool value) {
    const bool with = flags.has(yes), without = flags.has(no);
    return with == without || (value ? with : without);
}

template <class T> inline constexpr bool is_flags = false;
template <class Enum> inline constexpr bool is_flags<Flags<Enum>> = true;

} // namespace domus::service
