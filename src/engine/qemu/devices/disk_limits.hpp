// The rates that a disk may not exceed, <iotune>.
#pragma once

#include "engine/qemu/build.hpp"

namespace domus::engine::qemu {

/// The arguments of block_set_io_throttle.
json::object limits_of(const model::Disk& disk);

} // namespace domus::engine::qemu
