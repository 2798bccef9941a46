// Who asks. Every operation takes it first: rights are decided by it, the audit names it.
#pragma once

#include "os/credentials.hpp"

#include <cstdint>
#include <string>

namespace domus::service {

struct Caller {
    std::uint64_t connection = 0; ///< unique in the daemon's life
    Credentials who;
    bool read_only = false;
};

} // namespace domus::service
