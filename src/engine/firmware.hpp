// The firmware that an engine has chosen for a domain.
#pragma once

#include "engine/launch.hpp"

#include <string>

namespace domus::engine {

struct FirmwareChoice {
    Launch::Flash flash;            ///< empty: the machine's own BIOS, or a ROM that the definition names
    std::string variables_template; ///< empty: the firmware keeps none
};

} // namespace domus::engine
