#include "host/interfaces.hpp"

#include <gtest/gtest.h>

namespace domus::host {

using netlink::Link;

TEST(HostInterfaces, a_bridge_is_described_with_its_ports) {
    std::vector<Link> all(3);
    all[0] = {.index = 4, .name = "br0", .kind = "bridge", .mac = "52:54:00:00:00:01", .state = "up"};
    all[1] = {.index = 2, .name = "eth0", .mac = "52:54:00:00:00:02", .state = "down", .master = 4};
    all[2] = {.index = 1, .name = "lo", .mac = "00:00:00:00:00:00", .state = "unknown"};
    EXPECT_EQ(interface_xml(all[0], all), "<interface type='bridge' name='br0'>\n  <bridge>\n"
                                          "    <interface type='ethernet' name='eth0'>\n      <link state='down' />\n"
                                          "      <mac address='52:54:00:00:00:02' />\n    </interface>\n"
                                          "  </bridge>\n</interface>\n");
    EXPECT_EQ(interface_xml(all[2], all), "<interface type='ethernet' name='lo'>\n  <link state='unknown' />\n"
                                          "  <mac address='00:00:00:00:00:00' />\n</interface>\n");
}

} // namespace domus::host
