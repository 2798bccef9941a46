// A person at a guest's serial console.
#pragma once

#include "cli/objects.hpp"

#include <optional>

namespace domus::cli {

struct ConsoleOptions {
    std::optional<std::string> device;
    std::uint32_t flags = 0;
};

/// Until the guest ends, or the escape character is typed.
void run_console(Call& call, const wire::Domain& domain, const ConsoleOptions& options);

} // namespace domus::cli
