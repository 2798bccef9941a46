// Which emulator runs a guest's architecture. libvirt's words for architectures and QEMU's names of targets differ:
// i686 is i386, armv7l is arm.
#pragma once

#include "model/domain.hpp"

#include <string>
#include <string_view>

namespace domus::engine::qemu {

/// The emulator that the definition names, or that of its architecture; "" for the host's own. Throws config_unsupported
/// for a word that is no architecture, and, naming the package, for one whose emulator is not installed.
std::string emulator_of(const model::Domain& domain);

/// Throws config_unsupported if QEMU for that target does not run guests of the architecture.
void require_architecture(const std::string& binary, std::string_view target, const std::string& architecture);

/// libvirt's word for what a QEMU says of itself.
std::string architecture_of(const std::string& target);

} // namespace domus::engine::qemu
