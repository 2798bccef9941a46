// Real sockets on loopback: who gets which port.
#include "compute/life/ports.hpp"

#include "base/error.hpp"
#include "os/unique_fd.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <set>

namespace domus::compute {

namespace ip = boost::asio::ip;

namespace {

constexpr int first = 35000;

/// Somebody else who listens there.
UniqueFd foreigner(const std::string& address, int port) {
    const ip::tcp::endpoint where(ip::make_address(address), static_cast<std::uint16_t>(port));
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(::bind(socket.get(), where.data(), static_cast<socklen_t>(where.size())), 0);
    EXPECT_EQ(::listen(socket.get(), 1), 0);
    return socket;
}

std::string text_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.text();
    }
    return {};
}

} // namespace

TEST(Ports, starts_side_by_side_get_different_ones_before_anybody_listens) {
    PortTable table;
    std::vector<PortReservation> held;
    std::set<int> ports;
    for (int i = 0; i < 200; ++i) {
        held.push_back(table.choose("127.0.0.1", first, "web"));
        ports.insert(held.back()->port);
    }
    EXPECT_EQ(ports.size(), 200u);
}

TEST(Ports, one_that_is_given_back_is_free_again) {
    PortTable table;
    auto held = table.choose("127.0.0.1", first, "web");
    const int port = held->port;
    EXPECT_NE(table.choose("127.0.0.1", first, "other")->port, port);
    held.reset();
    EXPECT_EQ(table.choose("127.0.0.1", first, "other")->port, port);
}

TEST(Ports, a_wildcard_address_covers_those_of_its_family_and_that_of_ipv6_both) {
    PortTable table;
    const auto all = table.choose("0.0.0.0", first, "web");
    EXPECT_THROW(table.take("127.0.0.1", all->port, "other"), Error);
    EXPECT_THROW(table.take("::", all->port, "other"), Error);
    const auto one = table.choose("127.0.0.1", first, "web");
    EXPECT_THROW(table.take("0.0.0.0", one->port, "other"), Error);
    EXPECT_NO_THROW(table.take("127.0.0.2", one->port, "other"));
}

TEST(Ports, what_others_listen_on_is_passed_over_and_refused) {
    PortTable table;
    const int port = table.choose("127.0.0.1", first, "web")->port;
    const auto other = foreigner("127.0.0.1", port);
    EXPECT_GT(table.choose("127.0.0.1", port, "web")->port, port);
    EXPECT_NE(text_of([&] { table.take("127.0.0.1", port, "web"); }).find("Address already in use"), std::string::npos);
}

TEST(Ports, the_error_names_the_domain_that_has_the_port) {
    PortTable table;
    const auto held = table.choose("127.0.0.1", first, "web");
    const auto text = text_of([&] { table.take("127.0.0.1", held->port, "other"); });
    EXPECT_NE(text.find("domain 'web' has this port"), std::string::npos) << text;
}

TEST(Ports, an_address_of_another_host_is_named_at_once) {
    PortTable table;
    for (const auto& call : std::vector<std::function<void()>>{[&] { table.choose("192.0.2.1", first, "web"); },
                                                               [&] { table.take("192.0.2.1", first, "web"); }}) {
        const auto text = text_of(call);
        EXPECT_NE(text.find("cannot listen on 192.0.2.1:35000: Cannot assign requested address"), std::string::npos)
            << text;
        EXPECT_NE(text.find("no interface of this host has the address 192.0.2.1"), std::string::npos) << text;
    }
    EXPECT_NE(text_of([&] { table.choose("nowhere", first, "web"); }).find("'nowhere' is not an address"),
              std::string::npos);
}

TEST(Ports, that_of_a_running_guest_is_kept_without_probing) {
    PortTable table;
    const int port = table.choose("127.0.0.1", first, "web")->port;
    const auto guest = foreigner("127.0.0.1", port);
    const auto held = table.adopt("127.0.0.1", port, "web");
    EXPECT_EQ(held->port, port);
    EXPECT_NE(text_of([&] { table.take("127.0.0.1", port, "other"); }).find("'web'"), std::string::npos);
    const auto named = table.adopt("a.host.name", port + 1, "web");
    EXPECT_THROW(table.take("127.0.0.1", port + 1, "other"), Error);
}

TEST(Ports, a_host_name_is_resolved) {
    EXPECT_TRUE(is_ip_address("::1"));
    EXPECT_FALSE(is_ip_address("localhost"));
    EXPECT_TRUE(is_ip_address(resolve_host_name("localhost")));
    EXPECT_THROW(resolve_host_name("no-such-host.invalid"), Error);
}

} // namespace domus::compute
