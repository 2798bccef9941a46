// What a disk's images need secrets for: LUKS, and entering storage servers. QEMU gets each value as an object of its
// own, whose id is used here and by those who fetch the value (wanted_secrets() in command.hpp).
#pragma once

#include "engine/qemu/build.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace domus::engine::qemu {

/// What the definition says of one image of a disk's chain; null where it says nothing. The disk's own image may have
/// it in the disk's element too.
const model::Encryption* encryption_of(const model::Disk& disk, const model::DiskSource& source, unsigned depth);
const model::Auth* auth_of(const model::Disk& disk, const model::DiskSource& source, unsigned depth);

/// Makes a format node open its encrypted image. Refuses formats that cannot be encrypted, and LUKS without a secret.
void set_encryption(Build& build, const model::Disk& disk, const model::Encryption* encryption, unsigned depth,
                    json::object& node);
/// Makes the node of a storage server log in; `secret_key` is what the node calls the secret: "password-secret".
void set_auth(Build& build, const model::Disk& disk, const model::Auth* auth, unsigned depth, const char* secret_key,
              json::object& node);

} // namespace domus::engine::qemu
