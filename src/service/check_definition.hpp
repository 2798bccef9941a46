// Judging a definition without keeping it: what `domus import --dry-run` asks.
#pragma once

#include "service/service.hpp"

namespace domus::service {

/// Throws what defining the domain, network, pool or secret would throw, and changes nothing.
Task<> check_definition(Service& service, Caller caller, std::string xml);

} // namespace domus::service
