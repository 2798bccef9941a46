// Programs that kinds of pools run: each kind names its own, with the packages that bring them (KindInfo::needs).
#pragma once

#include <string>

namespace domus::storage {

/// Throws no_support, with the package in the hint, if a program that a kind names is not installed. What no kind names
/// passes.
void require_needed(const std::string& program);

} // namespace domus::storage
