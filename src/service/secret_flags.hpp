// Flags of operations on secrets, bit for bit as in libvirt.
#pragma once

#include "service/flags.hpp"

namespace domus::service {

/// virConnectListAllSecretsFlags.
enum class SecretListFlag { ephemeral, no_ephemeral, private_, no_private };
/// virSecretDefineFlags.
enum class SecretDefineFlag { validate };

} // namespace domus::service

namespace domus::format {

template <>
inline constexpr auto words<service::SecretListFlag> = word_list("ephemeral", "no-ephemeral", "private", "no-private");
template <> inline constexpr auto words<service::SecretDefineFlag> = word_list("validate");

} // namespace domus::format
