#include "engine/qemu/chipset.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

Chipset chipset_of(std::string_view machine) {
    if (machine == "q35" || machine.starts_with("pc-q35-")) return Chipset::q35;
    if (machine == "pc" || machine.starts_with("pc-")) return Chipset::i440fx; // also the old names pc-1.0, pc-0.12
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                fmt::format("machine '{}' is not one that this version can run", machine))
        .hint("take machine='q35' or machine='pc' in <os><type>");
}

} // namespace domus::engine::qemu
