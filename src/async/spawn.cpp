#include "async/spawn.hpp"

#include "base/error.hpp"
#include "base/log.hpp"

#include <boost/asio/co_spawn.hpp>

namespace domus {

void spawn(const Executor& executor, Task<> task, std::string name) {
    asio::co_spawn(executor, std::move(task), [name = std::move(name)](const std::exception_ptr& failure) {
        if (failure) log::error("{}: {}", name, describe(failure));
    });
}

} // namespace domus
