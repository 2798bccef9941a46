// `domus __relay`: the far end of qemu+ssh://, which passes bytes between its standard input and output and the socket
// of the daemon there.
#pragma once

#include "cli/globals.hpp"

namespace domus::cli {

int relay(const Settings& settings);

} // namespace domus::cli
