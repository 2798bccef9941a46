// Against documents of libvirt itself (tests/data/xml): what it chose for a definition, we choose too.
#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/xml.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace domus::engine::qemu {
namespace {

model::Domain sample(const std::string& name) {
    std::ifstream file("tests/data/xml/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return format::from_xml<model::Domain>(text.str(), ErrorDomain::domain);
}

std::string inactive(const model::Domain& domain) { return format::to_xml(domain, {.live = false}); }

/// As a person would have written it: no addresses, none of the controllers that follow from the rest.
void strip(model::Domain& domain) {
    model::for_each_device(domain.devices, [](std::string_view, auto& device) { device.address.reset(); });
    domain.devices.controllers.clear();
    domain.devices.consoles.clear();
    domain.devices.inputs.clear();
    domain.devices.audios.clear();
    domain.devices.memballoon.reset();
    domain.cpu = {};
    domain.clock = {};
    domain.os.boot.clear();
    domain.os.machine = "q35";
    for (auto& serial : domain.devices.serials) serial.target = {};
    for (auto& video : domain.devices.videos) video.model = {};
    for (auto& graphics : domain.devices.graphics) {
        graphics.listens.clear();
        graphics.autoport.reset();
    }
}

TEST(Samples, a_bare_definition_gets_the_addresses_and_devices_that_libvirt_gave_it) {
    const auto expected = sample("domain-inactive.xml");
    auto domain = expected;
    strip(domain);
    complete(domain, test_capabilities());
    EXPECT_EQ(inactive(domain), inactive(expected));
}

TEST(Samples, a_complete_definition_stays_as_it_is) {
    for (const auto* name : {"domain-inactive.xml", "domain-live.xml"}) {
        auto domain = sample(name);
        complete(domain, test_capabilities());
        if (std::string_view(name) == "domain-inactive.xml")
            EXPECT_EQ(inactive(domain), inactive(sample(name)));
        else
            EXPECT_EQ(domain.devices.interfaces, sample(name).devices.interfaces);
    }
}

TEST(Samples, devices_get_the_names_that_libvirt_gave_them) {
    const auto live = sample("domain-live.xml");
    auto domain = live;
    model::for_each_device(domain.devices, [](std::string_view, auto& device) { device.alias.reset(); });
    assign_aliases(domain);
    EXPECT_EQ(format::to_xml(domain), format::to_xml(live));
}

TEST(Aliases, of_the_user_stay) {
    auto domain = sample("domain-live.xml");
    domain.devices.interfaces[0].alias = "ua-mine";
    domain.devices.interfaces.push_back(domain.devices.interfaces[0]);
    domain.devices.interfaces[1].alias.reset();
    assign_aliases(domain);
    EXPECT_EQ(domain.devices.interfaces[0].alias, "ua-mine");
    EXPECT_EQ(domain.devices.interfaces[1].alias, "net0");
}

TEST(Aliases, of_a_device_plugged_in_later_follow_the_highest) {
    auto domain = sample("domain-live.xml");
    auto added = domain.devices.interfaces[0];
    added.alias.reset();
    domain.devices.interfaces[0].alias = "net4";
    domain.devices.interfaces.push_back(added);
    assign_aliases(domain);
    EXPECT_EQ(domain.devices.interfaces[1].alias, "net5");
}

} // namespace
} // namespace domus::engine::qemu
