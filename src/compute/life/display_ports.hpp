// Which TCP ports the displays of a domain listen on.
#pragma once

#include "async/task.hpp"
#include "compute/life/ports.hpp"
#include "model/graphics.hpp"

#include <string>
#include <vector>

namespace domus::compute {

struct Environment;

/// Completes addresses and automatic ports, and reserves all of them. Throws an Error where one cannot be listened on.
Task<std::vector<PortReservation>> reserve_display_ports(Environment& environment,
                                                         std::vector<model::Graphics>& displays, std::string domain);

/// Those of a guest that runs already.
std::vector<PortReservation> adopt_display_ports(Environment& environment, const std::vector<model::Graphics>& displays,
                                                 const std::string& domain);

} // namespace domus::compute
