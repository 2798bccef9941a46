// The values of the secrets that a disk's images are opened with, on their way to QEMU.
#pragma once

#include "base/sensitive.hpp"
#include "compute/domain/environment.hpp"
#include "model/disk.hpp"

#include <map>
#include <string>

namespace domus::compute {

/// Of one secret. Throws no_secret, naming `device` ("disk 'vda'"), if it is not defined or has no value.
Task<Sensitive> secret_value(Environment& environment, model::SecretReference reference, std::string device);

/// For Launch::secrets. Throws no_secret, naming the disk and what to do, if one is not defined or has no value.
Task<std::map<std::string, Sensitive>> disk_secrets(Environment& environment, model::Disk disk);

} // namespace domus::compute
