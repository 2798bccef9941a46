// Which firmware a domain boots: what its definition names, or for <os firmware='efi'> the first installed one that
// fits its machine and its wishes. Pure; the start then copies the template where the variables do not exist yet.
//
//     const auto choice = choose_firmware(live, descriptors, "/var/lib/domus/qemu/nvram/NAME_VARS.fd");
//     if (!choice.flash.empty() && !exists(choice.flash.variables)) copy(choice.variables_template,
//     choice.flash.variables); launch.flash = choice.flash;      // then open its files, or leave the paths
#pragma once

#include "engine/firmware.hpp"
#include "engine/firmware_descriptors.hpp"
#include "model/domain.hpp"

namespace domus::engine::qemu {

/// `variables` is the path for a definition that leaves it open. Throws Error (config_unsupported), with the package to
/// install, when nothing fits.
FirmwareChoice choose_firmware(const model::Domain& domain, const std::vector<FirmwareDescriptor>& installed,
                               const std::string& variables);

} // namespace domus::engine::qemu
