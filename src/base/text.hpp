// Text in UTF-8: cut to a length, and made of bytes that may be none.
#pragma once

#include <string>
#include <string_view>

namespace domus {

/// The first `bytes` bytes of a text, or some less: a character is kept whole or left out.
constexpr std::string_view cut_text(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return text;
    while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
    return text.substr(0, bytes);
}

/// The last `bytes` bytes, or some less.
constexpr std::string_view cut_text_front(std::string_view text, std::size_t bytes) {
    if (text.size() <= bytes) return text;
    auto begin = text.size() - bytes;
    while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) ++begin;
    return text.substr(begin);
}

/// The text with U+FFFD for each byte that belongs to no character: what programs say need not be UTF-8, and clients of
/// some languages take nothing else.
std::string as_utf8(std::string_view text);

} // namespace domus
