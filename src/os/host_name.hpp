#pragma once

#include <string>

namespace domus {

/// gethostname(2).
std::string host_name();

} // namespace domus
