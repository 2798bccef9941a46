// Scheduling priority: the loop answers everybody, so it runs before the daemon's other threads and before guests.
#pragma once

namespace domus {

/// Raises the calling thread by 10 (setpriority(2)) and, if the process leads its session, the session's group, which
/// the kernel weighs as one where there are no control groups (autogroup, sched(7)). Without the privilege
/// (CAP_SYS_NICE), as in a session daemon, all stays as it is. Before other threads and children are started.
void raise_priority();

/// Gives the calling thread the priority that the process was started with: threads and children inherit the raised one
/// and call this first. Safe in a child after fork; does nothing if nothing was raised.
void restore_priority();

} // namespace domus
