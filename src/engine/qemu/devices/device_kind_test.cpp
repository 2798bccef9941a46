// What holds for every kind of device that the build has.
#include "engine/qemu/devices/device_kind.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace domus::engine::qemu {
namespace {

TEST(DeviceKinds, are_the_devices_of_the_model) {
    std::set<std::string_view> elements;
    for (const auto* kind : all_kinds()) {
        EXPECT_TRUE(elements.insert(kind->element).second) << kind->element << " is there twice";
        EXPECT_EQ(find_kind(kind->element), kind);
        EXPECT_NE(kind->add, nullptr) << kind->element;
    }
    model::for_each_kind([&](std::string_view element, auto) {
        // An NVRAM device is for pSeries machines, which are refused.
        EXPECT_EQ(elements.contains(element), element != "nvram") << element;
    });
    EXPECT_EQ(find_kind("nonsense"), nullptr);
}

template <class Users> void expect_own_turns(OnBus<Users> DeviceKind::* bus) {
    std::set<unsigned> turns;
    for (const auto* kind : all_kinds())
        if ((kind->*bus).list) {
            EXPECT_TRUE(turns.insert((kind->*bus).turn).second) << kind->element;
        }
}

TEST(DeviceKinds, choose_their_places_each_at_a_turn_of_its_own) {
    expect_own_turns(&DeviceKind::pci);
    expect_own_turns(&DeviceKind::usb);
}

TEST(DeviceKinds, come_behind_what_they_refer_to) {
    const auto place = [](std::string_view element) {
        return std::ranges::find(all_kinds(), element, [](const auto* kind) { return kind->element; });
    };
    for (const auto* element : {"hub", "disk", "interface", "smartcard", "channel", "input", "redirdev"})
        EXPECT_LT(place("controller"), place(element));
    EXPECT_LT(place("iommu"), place("controller"));
    EXPECT_LT(place("serial"), place("console"));
    EXPECT_LT(place("audio"), place("sound"));
}

} // namespace
} // namespace domus::engine::qemu
