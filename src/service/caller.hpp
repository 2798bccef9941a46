// Who asks. Rights are judged by it, the audit names it.
#pragma once

#include "os/credentials.hpp"

#include <cstdint>
#include <string>

namespace domus::service {

/// By which door of the daemon a call came in.
enum class Origin : std::uint8_t { rpc, rest, daemon };

struct Caller {
    std::uint64_t connection = 0; ///< unique in the daemon's life
    Credentials who;
    bool read_only = false;
    Origin origin = Origin::rpc;
    std::string principal; ///< name under which it is judged; empty: the user of `who`
    std::string address;   ///< of the host that it came from; empty: this one
};

} // namespace domus::service
