#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/devices/device_kind.hpp"

namespace domus::engine::qemu {

void complete_others(model::Domain& domain) {
    for (const auto* kind : all_kinds())
        if (kind->complete) kind->complete(domain);
}

} // namespace domus::engine::qemu
