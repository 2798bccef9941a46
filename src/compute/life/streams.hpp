// The host's ends of a domain's byte streams: files, devices and sockets of helpers, opened here with the rights of the
// caller, so that QEMU needs none over them. Blocks; called in a lane.
#pragma once

#include "engine/launch.hpp"
#include "model/domain.hpp"
#include "os/credentials.hpp"

namespace domus::compute {

/// Everything of that kind that these devices have, into launch.characters, launch.logs and launch.helpers. A socket
/// that QEMU is to connect to again after it was closed stays QEMU's to open.
void open_streams(const Credentials& caller, const model::Devices& devices, engine::Launch& launch);

/// Memory that guests share with each other and with programs of the host, into launch.files: made for that group where
/// it is not there yet.
void open_shared_memory(const std::vector<model::SharedMemory>& devices, gid_t group, engine::Launch& launch);

} // namespace domus::compute
