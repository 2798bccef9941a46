#include "engine/qemu/complete/pci.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::engine::qemu {
namespace {

PciBuses q35() {
    PciBuses buses;
    buses.add(0, PciBusKind::pcie_root);
    return buses;
}

TEST(PciBuses, gives_each_express_device_a_port_of_its_own) {
    auto buses = q35();
    EXPECT_FALSE(buses.find(PciPlug::express));
    buses.add(1, PciBusKind::root_port);
    buses.add(2, PciBusKind::root_port);
    EXPECT_EQ(buses.find(PciPlug::express), (PciPlace{1, 0, 0}));
    buses.reserve({1, 0, 0}, "disk 'vda'");
    EXPECT_EQ(buses.find(PciPlug::express), (PciPlace{2, 0, 0}));
}

TEST(PciBuses, packs_eight_root_ports_into_a_slot) {
    auto buses = q35();
    for (unsigned i = 0; i < 9; ++i) {
        const auto place = buses.find(PciPlug::root_port);
        ASSERT_TRUE(place);
        EXPECT_EQ(*place, (PciPlace{0, 1 + i / 8, i % 8}));
        buses.reserve(*place, "port");
        buses.share(*place);
    }
}

TEST(PciBuses, does_not_squeeze_a_root_port_into_a_slot_that_the_user_filled) {
    auto buses = q35();
    buses.reserve({0, 1, 1}, "interface '52:54:00:00:00:01'");
    EXPECT_EQ(buses.find(PciPlug::root_port), (PciPlace{0, 2, 0}));
}

TEST(PciBuses, leaves_slot_0_of_a_bridge_to_the_bridge) {
    auto buses = q35();
    buses.add(1, PciBusKind::pcie_to_pci_bridge);
    EXPECT_EQ(buses.find(PciPlug::conventional), (PciPlace{1, 1, 0}));
    EXPECT_THROW(buses.reserve({1, 0, 0}, "sound"), Error);
}

TEST(PciBuses, names_both_devices_of_a_clash) {
    auto buses = q35();
    buses.reserve({0, 3, 0}, "disk 'vda'");
    try {
        buses.reserve({0, 3, 0}, "interface '52:54:00:00:00:01'");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.message(), "disk 'vda' and interface '52:54:00:00:00:01' both want PCI address 0000:00:03.0");
    }
}

TEST(PciBuses, says_that_no_controller_makes_a_bus) {
    auto buses = q35();
    EXPECT_THROW(buses.reserve({7, 0, 0}, "disk 'vda'"), Error);
}

} // namespace
} // namespace domus::engine::qemu
