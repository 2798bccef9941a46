// The machines that this version runs, told apart by what their chipset brings.
#pragma once

#include <string>
#include <string_view>

namespace domus::engine::qemu {

enum class Chipset { i440fx, q35 };

/// By the machine's canonical name or alias. Throws Error (config_unsupported) for machines without PCI (microvm,
/// isapc) and for those of other architectures.
Chipset chipset_of(std::string_view machine);

} // namespace domus::engine::qemu
