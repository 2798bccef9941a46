// Encryption, by OpenSSL's libcrypto. Errors of the library are an Error internal_error; none tells what was encrypted.
#pragma once

#include "base/sensitive.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace domus {

constexpr std::size_t cipher_key_size = 32; ///< bytes, of AES-256

/// From the library's generator, which the kernel seeds.
Sensitive random_key();

/// AES-256-GCM with a nonce of its own each time, which stands before the result. What it is bound to must be told
/// again to open it, and is not in the result.
std::string seal(const Sensitive& key, std::string_view plain, std::string_view bound_to);
/// Nothing if it was changed, is bound to something else or was sealed with another key.
std::optional<Sensitive> unseal(const Sensitive& key, std::string_view sealed, std::string_view bound_to);

std::string base64_encode(std::string_view bytes);
/// Blanks and line ends do not count. Nothing if the text is not base64.
std::optional<Sensitive> base64_decode(std::string_view text);

} // namespace domus
