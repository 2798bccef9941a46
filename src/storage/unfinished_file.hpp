// A volume in the making: a file under a name that listings hide, locked by its maker, which gets its own name when it is
// whole. So none is ever half there, whoever is killed in between. Blocks, but for the coroutine.
#pragma once

#include "model/storage.hpp"
#include "os/unique_fd.hpp"
#include "storage/site.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace domus::storage {

/// With what the name of a volume in the making begins, also that of an image of Ceph.
constexpr std::string_view unfinished_prefix = ".domus-unfinished.";
/// Whether a name of a folder's entry is that of a volume in the making.
bool is_unfinished(std::string_view name);
/// Removes such a file unless somebody is at it, whichever daemon or host: what a daemon left that was killed.
void sweep_unfinished(const std::string& path);

/// Where the volume of that path is made.
std::string unfinished_path(const std::string& path);
/// Throws storage_vol_exist.
void require_absent(const std::string& path);

/// A volume in the making, empty when its maker gets it. It is written to by its descriptor alone: where others may write to
/// the folder, its name may lead to another file at any time.
struct Unfinished {
    std::string path;
    std::shared_ptr<UniqueFd> file; ///< open for reading and writing
};

/// Has `make` fill the file; then it gets owner and mode, is flushed and named, never over another. A failure takes it away.
Task<> make_whole(std::string path, model::Permissions permissions, Site site, std::function<Task<>(Unfinished)> make);

} // namespace domus::storage
