// Starting a coroutine that nobody awaits. What it throws is logged under its name, never lost.
#pragma once

#include "async/task.hpp"

#include <string>

namespace domus {

void spawn(const Executor& executor, Task<> task, std::string name);

} // namespace domus
