#include "engine/machine.hpp"

#include <fmt/format.h>

namespace domus::engine {

GuestGone::GuestGone(const std::string& domain)
    : Error(Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                  fmt::format("operation failed: domain '{}' has ended meanwhile", domain))
                .hint(fmt::format("start it again with 'domus start {}'", domain))) {}

} // namespace domus::engine
