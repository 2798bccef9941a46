#include "os/priority.hpp"

#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace domus {

namespace {

constexpr int raise_by = 10, lowest_nice = -20;

bool raised = false;
int nice_at_start = 0;

} // namespace

void raise_priority() {
    nice_at_start = ::getpriority(PRIO_PROCESS, 0);
    const int wanted = std::max(lowest_nice, nice_at_start - raise_by);
    if (::setpriority(PRIO_PROCESS, 0, wanted) < 0) return;
    raised = true;
    if (::getsid(0) != ::getpid()) return; // the group is somebody's shell
    const UniqueFd group(::open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC));
    const auto text = fmt::format("{}", wanted);
    if (group)
        (void)!::write(group.get(), text.data(),
                       text.size()); // a kernel without such groups, or that is asked too often
}

void restore_priority() {
    if (raised) ::setpriority(PRIO_PROCESS, 0, nice_at_start);
}

} // namespace domus
