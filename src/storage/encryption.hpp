// LUKS inside volumes' files: a volume <encryption format='luks'> with format raw is a LUKS image, with qcow2 one whose
// clusters are encrypted. QEMU's own implementation makes and reads them.
#pragma once

#include "model/storage.hpp"
#include "os/process.hpp"
#include "storage/site.hpp"

namespace domus::storage {

/// Throws config_unsupported unless it is one that can be made: LUKS, in raw or qcow2, with one passphrase.
void admit_encryption(const model::Volume& wanted);

/// The options of `qemu-img create -o` for it, "" where there is no encryption: the key is the object `volume-key`.
std::string encryption_options(const model::Volume& wanted);

/// What `qemu-img --image-opts` calls the encrypted image at `path`; its key is the object `key`.
std::string encrypted_image(const model::Volume& volume, const std::string& path, std::string_view key);

/// The secret that opens a volume: its own, where that is known, or the one that is kept for its path.
model::SecretReference key_of(const model::Volume& volume);

/// Gives qemu-img the passphrase as the object `key`, through a descriptor: it stands nowhere else. Throws no_secret.
Task<> pass_key(std::shared_ptr<Command> command, std::string key, model::SecretReference secret, Site site);

} // namespace domus::storage
