#include "os/priority.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace domus {

namespace {

int nice_now() { return ::getpriority(PRIO_PROCESS, 0); }

/// In a process of its own, as the priority of a thread of the test program would stay changed.
int exit_code_of(int (*body)()) {
    const auto child = ::fork();
    if (child == 0) ::_exit(body());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Priority, is_raised_for_the_thread_and_restored_for_what_it_starts) {
    if (::geteuid() != 0) GTEST_SKIP() << "raising the priority needs root";
    EXPECT_EQ(exit_code_of([] {
                  const int before = nice_now();
                  restore_priority();
                  if (nice_now() != before) return 1;
                  raise_priority();
                  if (nice_now() != std::max(-20, before - 10)) return 2;
                  restore_priority();
                  return nice_now() == before ? 0 : 3;
              }),
              0);
}

TEST(Priority, stays_without_the_privilege) {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    EXPECT_EQ(exit_code_of([] {
                  const int before = nice_now();
                  if (::setresuid(65534, 65534, 65534) < 0) return 1;
                  raise_priority();
                  restore_priority();
                  return nice_now() == before ? 0 : 2;
              }),
              0);
}

} // namespace

} // namespace domus
