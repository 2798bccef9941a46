#include "os/terminal.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace domus {

TEST(Terminal, only_one_whose_other_end_the_process_has_is_opened) {
    UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master);
    ASSERT_EQ(::grantpt(master.get()), 0);
    ASSERT_EQ(::unlockpt(master.get()), 0);
    const std::string path = ::ptsname(master.get());
    const auto terminal = open_terminal_of(::getpid(), path);
    EXPECT_EQ(::write(terminal.get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(master.get(), &byte, 1), 1);
    EXPECT_THROW(open_terminal_of(::getppid(), path), Error) << "another's terminal";
    for (const auto* other : {"/etc/passwd", "/dev/pts/../null", "/dev/pts/", "/dev/pts/ptmx", "/dev/null", ""})
        EXPECT_THROW(open_terminal_of(::getpid(), other), Error) << other;
}

} // namespace domus
