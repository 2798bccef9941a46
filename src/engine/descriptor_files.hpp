// Files in which packages describe what QEMU can use: JSON, in folders of rising priority. Blocks.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace domus::engine {

/// Path and text of each, sorted by file name; a file of a later folder replaces one of the same name, an empty one removes
/// it. What cannot be read is logged and left out.
std::vector<std::pair<std::filesystem::path, std::string>>
read_descriptor_files(const std::vector<std::filesystem::path>& folders);

} // namespace domus::engine
