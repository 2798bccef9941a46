// The step of definitions, starts and changes of devices that asks whether the caller may have what they name.
#pragma once

#include "async/task.hpp"
#include "compute/domain/environment.hpp"
#include "compute/domain/opener.hpp"
#include "model/domain.hpp"

#include <optional>

namespace domus::compute {

/// For whom the daemon opens what a definition names: the caller's rights do not count for more than those of `definer`,
/// who may have put other files in place since. Without a caller it is the daemon that starts it.
Credentials rights_of_start(const std::optional<Credentials>& caller, const std::optional<Credentials>& definer);

Opener opener_for(const Environment& environment, Credentials who);

/// Throws operation_denied, or the Error of a path, unless `who` may have all that (rights.hpp).
Task<> require_rights(Environment& environment, Credentials who, model::Domain wanted);

} // namespace domus::compute
