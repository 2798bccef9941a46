#include "base/error.hpp"
#include "os/files.hpp"
#include "os/netlink/address.hpp"
#include "os/netlink/bridge.hpp"
#include "os/netlink/carry.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/route.hpp"
#include "os/netlink/stacked.hpp"
#include "os/netlink/tap.hpp"
#include "os/test_network.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>

namespace domus::netlink {

namespace {

Subnet subnet(std::string_view address, unsigned prefix) { return {IpAddress::parse(address).value(), prefix}; }

bool has_address(const Link& link, const Subnet& wanted) {
    const auto all = addresses();
    return std::ranges::any_of(all,
                               [&](const auto& each) { return each.link == link.index && each.address == wanted; });
}

std::string refusal(const std::function<void()>& attempt) {
    try {
        attempt();
    } catch (const Error& error) {
        return error.text();
    }
    return "none";
}

struct Netlink : testing::Test {
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root, for a network namespace";
    }
};

} // namespace

TEST_F(Netlink, a_bridge_is_made_as_it_was_asked_for_and_goes) {
    EXPECT_TRUE(in_a_network_namespace([] {
        create_bridge({.name = "virbr7", .mac = "52:54:00:00:00:07", .stp = true, .mtu = 1400, .alias = "ours of x"});
        const auto bridge = find_link("virbr7");
        ASSERT_TRUE(bridge);
        EXPECT_TRUE(bridge->is_bridge());
        EXPECT_EQ(bridge->mac, "52:54:00:00:00:07");
        EXPECT_EQ(bridge->alias, "ours of x");
        EXPECT_EQ(bridge->mtu, 1400u);
        EXPECT_FALSE(bridge->up);
        set_up("virbr7");
        EXPECT_TRUE(find_link("virbr7")->up);
        EXPECT_THAT(refusal([] { create_bridge({.name = "virbr7", .mac = "52:54:00:00:00:08"}); }),
                    testing::HasSubstr("exists already"));
        EXPECT_EQ(find_link("virbr7")->mac, "52:54:00:00:00:07");
        delete_link("virbr7");
        delete_link("virbr7");
        EXPECT_FALSE(find_link("virbr7"));
        EXPECT_EQ(links().size(), 1u) << "the loopback";
    }));
}

TEST_F(Netlink, a_bridge_that_cannot_be_set_up_whole_is_taken_away) {
    EXPECT_TRUE(in_a_network_namespace([] {
        constexpr std::size_t too_long = 300;
        EXPECT_THAT(refusal([] {
                        create_bridge(
                            {.name = "virbr7", .mac = "52:54:00:00:00:07", .alias = std::string(too_long, 'x')});
                    }),
                    testing::HasSubstr("cannot set the alias of 'virbr7'"));
        EXPECT_THAT(refusal([] { create_bridge({.name = "virbr8", .mac = "52:54:00:00:00:08", .mtu = 1}); }),
                    testing::HasSubstr("cannot create the bridge 'virbr8'"));
        EXPECT_THAT(refusal([] { create_bridge({.name = "virbr9", .mac = "no address"}); }),
                    testing::HasSubstr("virbr9"));
        EXPECT_EQ(links().size(), 1u);
    }));
}

TEST_F(Netlink, addresses_and_routes_are_told_in_both_families) {
    EXPECT_TRUE(in_a_network_namespace([] {
        create_bridge({.name = "virbr7", .mac = "52:54:00:00:00:07", .stp = false});
        add_address("virbr7", subnet("192.168.122.1", 24));
        add_address("virbr7", subnet("fd00:7::1", 64));
        set_up("virbr7");
        const auto bridge = find_link("virbr7").value();
        EXPECT_TRUE(has_address(bridge, subnet("192.168.122.1", 24)));
        EXPECT_TRUE(has_address(bridge, subnet("fd00:7::1", 64)));
        const auto all = routes();
        for (const auto& wanted : {subnet("192.168.122.0", 24), subnet("fd00:7::", 64)})
            EXPECT_TRUE(std::ranges::any_of(all, [&](const Route& route) {
                return route.destination == wanted && route.link == bridge.index && !route.gateway;
            })) << wanted.text();
        EXPECT_THAT(refusal([] { add_address("virbr7", subnet("192.168.122.1", 24)); }),
                    testing::HasSubstr("cannot give an address to 'virbr7'"));
        EXPECT_THAT(refusal([] { add_address("none", subnet("192.168.122.1", 24)); }),
                    testing::HasSubstr("there is no network device 'none'"));
    }));
}

TEST_F(Netlink, what_a_device_carries_goes_to_another_one_whole) {
    EXPECT_TRUE(in_a_network_namespace([] {
        create_bridge({.name = "from0", .mac = "52:54:00:00:00:07", .stp = false});
        create_bridge({.name = "to0", .mac = "", .stp = false});
        set_up("from0");
        set_up("to0");
        put_address("from0", static_address(subnet("192.0.2.2", 24)).message, "from0");
        const auto default_network = Subnet{IpAddress{}, 0};
        put_route("from0", static_route(default_network, IpAddress::parse("192.0.2.1").value(), 7u).message);
        const auto addresses = addresses_of("from0");
        const auto carried = std::ranges::find(addresses, subnet("192.0.2.2", 24), &CarriedAddress::address);
        ASSERT_NE(carried, addresses.end());
        EXPECT_TRUE(carried->permanent);
        const auto all = routes_of("from0");
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].metric, 7u);
        put_address("to0", carried->message, "from0");
        put_route("to0", all[0].message);
        EXPECT_TRUE(routes_of("from0").empty()) << "it has taken the place of the other";
        EXPECT_EQ(routes_of("to0")[0].gateway, all[0].gateway);
        delete_address("from0", carried->message);
        delete_address("from0", carried->message);
        EXPECT_TRUE(has_address(find_link("to0").value(), subnet("192.0.2.2", 24)));
        EXPECT_FALSE(has_address(find_link("from0").value(), subnet("192.0.2.2", 24)));
        delete_route("to0", routes_of("to0")[0].message);
        delete_route("to0", all[0].message);
        EXPECT_TRUE(routes_of("to0").empty());
        EXPECT_EQ(bridge_settings("to0").stp, false);
    }));
}

TEST_F(Netlink, a_tap_device_is_a_port_of_its_bridge_and_goes_with_its_descriptors) {
    EXPECT_TRUE(in_a_network_namespace([] {
        create_bridge({.name = "virbr7", .mac = "52:54:00:00:00:07"});
        {
            const auto tap = open_tap("", 1);
            EXPECT_EQ(tap.name, "vnet0");
            set_mac("vnet0", "fe:54:00:00:00:09");
            set_mtu("vnet0", 1300);
            set_master("vnet0", "virbr7");
            const auto all = links();
            EXPECT_EQ(ports_of(find_link("virbr7").value(), all), std::vector<std::string>{"vnet0"});
            const auto link = find_link("vnet0").value();
            EXPECT_EQ(link.kind, "tun");
            EXPECT_EQ(link.mac, "fe:54:00:00:00:09");
            EXPECT_EQ(link.mtu, 1300u);
            EXPECT_FALSE(ports_of(link, all).size());
        }
        EXPECT_FALSE(find_link("vnet0"));
    }));
}

TEST_F(Netlink, a_tap_device_of_somebody_else_is_not_joined) {
    EXPECT_TRUE(in_a_network_namespace([] {
        const auto theirs = open_tap("tap9", 2);
        EXPECT_EQ(theirs.name, "tap9");
        EXPECT_EQ(theirs.queues.size(), 2u);
        int number = 0;
        EXPECT_THAT(refusal([&] {
                        try {
                            (void)open_tap("tap9", 2);
                        } catch (const Error& error) {
                            number = error.number();
                            throw;
                        }
                    }),
                    testing::HasSubstr("cannot create the tap device 'tap9'"));
        EXPECT_EQ(number, EBUSY);
        EXPECT_EQ(open_tap("tap9", 2, Existing::joined).queues.size(), 2u);
    }));
}

TEST(NetlinkLinks, are_those_of_sysfs) {
    const auto all = links();
    for (const auto& name : names_in("/sys/class/net")) {
        const auto folder = std::filesystem::path("/sys/class/net") / name;
        if (!std::filesystem::exists(folder / "operstate")) continue;
        const auto link = std::ranges::find(all, name, &Link::name);
        if (link == all.end()) continue; // it has come meanwhile, or /sys is of another namespace
        EXPECT_EQ(link->state + "\n", read_file(folder / "operstate", 100)) << name;
        EXPECT_EQ(link->mac + "\n", read_file(folder / "address", 100)) << name;
    }
    EXPECT_NE(std::ranges::find(all, "lo", &Link::name), all.end());
}

} // namespace domus::netlink
