// The program that serves folders of the host to guests over virtiofs. Blocks (a few small files).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace domus::engine {

/// Of the JSON files in which packages describe their vhost-user programs (docs/interop/vhost-user.json of QEMU), lowest
/// priority first.
std::vector<std::filesystem::path> vhost_user_folders();

/// The first of type "fs" whose program is there; empty if there is none. A file of a later folder replaces one of the same
/// name, an empty one removes it.
std::string find_virtiofsd(const std::vector<std::filesystem::path>& folders = vhost_user_folders());

} // namespace domus::engine
