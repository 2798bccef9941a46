#include "storage/kind_info.hpp"

#include <utility>

namespace domus::storage {

std::string_view word(Reach reach) {
    switch (reach) {
    case Reach::folder:
        return "a folder of the host";
    case Reach::server:
        return "a server";
    case Reach::host:
        break;
    }
    return "devices and mounts of the host";
}

std::vector<std::string_view> commands(Can can) {
    constexpr std::pair<Can, std::string_view> all[]{{Can::build, "pool-build"},
                                                     {Can::remove, "pool-delete"},
                                                     {Can::find_sources, "find-storage-pool-sources-as"},
                                                     {Can::create, "vol-create"},
                                                     {Can::copy, "vol-create-from"},
                                                     {Can::resize, "vol-resize"},
                                                     {Can::remove_volumes, "vol-delete"}};
    std::vector<std::string_view> names;
    for (const auto& [one, name] : all)
        if (includes(can, one)) names.push_back(name);
    return names;
}

} // namespace domus::storage
