#include "host/plan.hpp"

#include "base/error.hpp"
#include "os/cipher.hpp"
#include "os/netlink/carry.hpp"

#include <gmock/gmock.h>

#include <map>

namespace domus::host {

namespace {

KeptAddress address(const std::string& from, std::string_view text, unsigned prefix) {
    const auto message = netlink::static_address({IpAddress::parse(text).value(), prefix}).message;
    return {from, base64_encode(message), {}};
}

KeptRoute default_route(std::string_view gateway) {
    const auto message = netlink::static_route({IpAddress{}, 0}, IpAddress::parse(gateway).value(), {}).message;
    return {base64_encode(message), {}};
}

/// A host with eth0, which has an address, eth1, and virbr0 with a guest's tap.
struct Plan : testing::Test {
    Plan() {
        auto& eth0 =
            host["eth0"] = {.name = "eth0", .present = true, .up = true, .mac = "52:54:00:00:00:01", .mtu = 1500};
        eth0.addresses = {address("eth0", "192.0.2.2", 24)};
        eth0.routes = {default_route("192.0.2.1")};
        host["eth1"] = {.name = "eth1", .present = true, .mac = "52:54:00:00:00:02", .mtu = 1500};
        host["virbr0"] = {.name = "virbr0", .present = true, .up = true, .kind = "bridge"};
        host["vnet0"] = {.name = "vnet0", .present = true, .up = true, .master = "virbr0"};
    }

    DevicePlan::Source source() {
        return {.device =
                    [this](const std::string& name) {
                        return host.contains(name) ? host[name] : DeviceState{.name = name};
                    },
                .members =
                    [this](const std::string& master) {
                        std::vector<std::string> members;
                        for (const auto& [name, state] : host)
                            if (state.master == master) members.push_back(name);
                        return members;
                    }};
    }

    DevicePlan start(const std::string& xml) {
        DevicePlan plan(source());
        plan_start(plan, model::read_host_interface(xml, true));
        return plan;
    }
    std::string refusal(const std::function<void()>& attempt) const {
        try {
            attempt();
        } catch (const Error& error) {
            return error.text();
        }
        return "none";
    }

    std::map<std::string, DeviceState> host;
};

const std::string br0_of_eth0 = "<interface type='bridge' name='br0'><bridge stp='on' delay='0'>"
                                "<interface type='ethernet' name='eth0'/></bridge></interface>";

} // namespace

TEST_F(Plan, a_bridge_takes_over_what_its_port_has) {
    auto plan = start(br0_of_eth0);
    const auto bridge = plan.device("br0"), port = plan.device("eth0");
    EXPECT_TRUE(bridge.present && bridge.up);
    EXPECT_EQ(bridge.mac, host["eth0"].mac);
    EXPECT_EQ(bridge.addresses, host["eth0"].addresses);
    EXPECT_EQ(bridge.routes, host["eth0"].routes);
    EXPECT_EQ(port.master, "br0");
    EXPECT_TRUE(port.addresses.empty() && port.routes.empty() && port.up);
    ASSERT_EQ(plan.before().size(), 2u);
    EXPECT_FALSE(plan.before()[0].present) << "br0 goes when it is taken back";
    EXPECT_EQ(plan.before()[1], host["eth0"]);
}

TEST_F(Plan, the_port_gets_all_back_from_its_bridge) {
    auto plan = start(br0_of_eth0);
    for (const auto& device : plan.after()) host[device.name] = device;
    DevicePlan back(source());
    plan_unbridge(back, "br0", "eth0");
    EXPECT_FALSE(back.device("br0").present);
    EXPECT_EQ(back.device("eth0").addresses, plan.before()[1].addresses);
    EXPECT_EQ(back.device("eth0").routes, plan.before()[1].routes);
    EXPECT_EQ(back.device("eth0").master, std::nullopt);
}

TEST_F(Plan, an_address_of_the_definition_is_added_once) {
    auto plan =
        start("<interface type='ethernet' name='eth0'><protocol family='ipv4'><ip address='192.0.2.2' prefix='24'/>"
              "<ip address='192.0.2.7' prefix='24'/><route gateway='192.0.2.1'/></protocol></interface>");
    EXPECT_EQ(plan.device("eth0").addresses.size(), 2u);
    EXPECT_EQ(plan.device("eth0").routes.size(), 1u);
    EXPECT_TRUE(plan.leases.empty());
}

TEST_F(Plan, dhcp_is_wanted_where_no_address_has_a_lifetime) {
    auto plan = start("<interface type='ethernet' name='eth1'><protocol family='ipv4'><dhcp/></protocol></interface>");
    ASSERT_EQ(plan.leases.size(), 1u);
    EXPECT_EQ(plan.leases[0], (LeaseMove{"", "eth1", false, {}}));
}

TEST_F(Plan, a_vlan_brings_up_what_carries_it) {
    auto plan =
        start("<interface type='bridge' name='brvlan10'><bridge><interface type='vlan' name='eth1.10'><vlan tag='10'>"
              "<interface name='eth1'/></vlan></interface></bridge></interface>");
    EXPECT_TRUE(plan.device("eth1").up);
    EXPECT_EQ(plan.device("eth1.10").tag, 10u);
    EXPECT_EQ(plan.device("eth1.10").master, "brvlan10");
    EXPECT_EQ(plan.device("eth1").master, std::nullopt);
}

TEST_F(Plan, a_bridge_that_goes_leaves_its_ports_down) {
    DevicePlan plan(source());
    plan_stop(plan, "virbr0");
    EXPECT_FALSE(plan.device("virbr0").present);
    EXPECT_FALSE(plan.device("vnet0").up);
    EXPECT_EQ(plan.device("vnet0").master, std::nullopt);
}

TEST_F(Plan, refuses_what_cannot_be) {
    using testing::HasSubstr;
    EXPECT_THAT(refusal([&] { start("<interface type='ethernet' name='eth9'/>"); }),
                HasSubstr("there is no network device 'eth9'"));
    EXPECT_THAT(refusal([&] { start("<interface type='bridge' name='eth1'><bridge/></interface>"); }),
                HasSubstr("exists already"));
    EXPECT_THAT(refusal([&] {
                    start("<interface type='bridge' name='br1'><bridge><interface type='ethernet' "
                          "name='vnet0'/></bridge></interface>");
                }),
                HasSubstr("belongs to 'virbr0'"));
    EXPECT_THAT(refusal([&] {
                    DevicePlan plan(source());
                    plan_unbridge(plan, "virbr0", "eth1");
                }),
                HasSubstr("has another port, 'vnet0'"));
}

} // namespace domus::host
