// Packages of Debian, as hints name them.
#pragma once

#include <string>
#include <string_view>

namespace domus {

struct Package {
    std::string_view names;          ///< one or more, as apt takes them
    std::string_view component = {}; ///< of Debian, where it is not main
};

/// "install its package with 'apt install ...'"
std::string how_to_install(const Package& package);

} // namespace domus
