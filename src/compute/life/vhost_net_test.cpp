#include "compute/life/vhost_net.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace domus::compute {

TEST(VhostNet, is_demanded_taken_unasked_under_kvm_or_left_alone) {
    model::Interface interface;
    const auto count = [&](model::DomainType type) { return open_vhost_net(interface, type, 2).size(); };
    EXPECT_EQ(count(model::DomainType::qemu), 0u);
    const bool there = std::filesystem::exists("/dev/vhost-net");
    EXPECT_EQ(count(model::DomainType::kvm), there ? 2u : 0u);
    interface.driver.name = "qemu";
    EXPECT_EQ(count(model::DomainType::kvm), 0u);
    interface.driver.name = "vhost";
    if (there) {
        EXPECT_EQ(count(model::DomainType::qemu), 2u);
        return;
    }
    try {
        count(model::DomainType::qemu);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.text().find("/dev/vhost-net"), std::string::npos);
        EXPECT_NE(error.hint().find("modprobe vhost_net"), std::string::npos);
    }
}

} // namespace domus::compute
