// Sizes as a person reads them.
#pragma once

#include "cli/table.hpp"

#include <cstdint>
#include <string>

namespace domus::cli {

/// The number of the unit (B, KiB, ... EiB) that keeps it below 1024, with so many digits: "1.50 GiB".
std::string pretty_size(std::uint64_t bytes, int digits = 2);

/// A person sees the pretty size, a program the bytes.
Cell size_cell(std::uint64_t bytes);

} // namespace domus::cli
