#include "base/error.hpp"
#include "os/credentials.hpp"
#include "os/systemd.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>

namespace domus {

TEST(ServiceManager, is_told_by_a_datagram) {
    const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof(sa_family_t); // the kernel chooses an abstract name
    ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    size = sizeof address;
    ASSERT_EQ(::getsockname(manager.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    std::string name(address.sun_path, size - offsetof(sockaddr_un, sun_path));
    name[0] = '@';
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    notify_service_manager("READY=1");
    ::unsetenv("NOTIFY_SOCKET");
    char buffer[32]{};
    EXPECT_EQ(::recv(manager.get(), buffer, sizeof buffer, MSG_DONTWAIT), 7);
    EXPECT_STREQ(buffer, "READY=1");
    EXPECT_NO_THROW(notify_service_manager("READY=1"));
}

TEST(ServiceManager, hands_over_nothing_that_is_meant_for_another_process) {
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_TRUE(take_listening_sockets().empty());
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr);
}

TEST(Credentials, of_a_peer_are_those_of_its_process) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd here(ends[0]), there(ends[1]);
    const auto peer = peer_credentials(here.get());
    EXPECT_EQ(peer.pid, ::getpid());
    EXPECT_EQ(peer.uid, ::geteuid());
    EXPECT_THROW(peer_credentials(-1), Error);
}

TEST(Credentials, users_are_found_by_name_and_number) {
    EXPECT_EQ(find_user("root"), 0u);
    EXPECT_EQ(find_user("1234"), 1234u);
    EXPECT_FALSE(find_user("no such user"));
    EXPECT_EQ(find_group("root"), 0u);
}

} // namespace domus
