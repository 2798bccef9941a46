#include "engine/qemu/firmware.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::engine::qemu {
namespace {

std::vector<FirmwareDescriptor> installed() {
    FirmwareDescriptor secure;
    secure.uefi = secure.flash = true;
    secure.code = "/f/secure.fd";
    secure.variables = "/f/secure_vars.fd";
    secure.targets = {{"x86_64", {"pc-q35-*"}}};
    secure.features = {"secure-boot", "requires-smm"};
    auto plain = secure;
    plain.code = "/f/plain.fd";
    plain.variables = "/f/plain_vars.fd";
    plain.features = {};
    return {secure, plain};
}

model::Domain efi() {
    model::Domain domain;
    domain.os.machine = "pc-q35-7.2";
    domain.os.firmware = model::Firmware::efi;
    return domain;
}

TEST(Firmware, is_chosen_by_what_the_definition_wishes) {
    auto domain = efi();
    EXPECT_EQ(choose_firmware(domain, installed(), "/n/x").flash.code, "/f/secure.fd");
    EXPECT_TRUE(choose_firmware(domain, installed(), "/n/x").flash.secure);
    domain.os.firmware_features.push_back({false, "secure-boot", {}});
    const auto choice = choose_firmware(domain, installed(), "/n/x");
    EXPECT_EQ(choice.flash.code, "/f/plain.fd");
    EXPECT_EQ(choice.flash.variables, "/n/x");
    EXPECT_EQ(choice.variables_template, "/f/plain_vars.fd");
}

TEST(Firmware, that_is_named_brings_the_template_that_belongs_to_it) {
    model::Domain domain;
    domain.os.loader.path = "/f/plain.fd";
    domain.os.loader.type = model::LoaderType::pflash;
    const auto choice = choose_firmware(domain, installed(), "/n/x");
    EXPECT_EQ(choice.variables_template, "/f/plain_vars.fd");
    EXPECT_EQ(choice.flash.variables, "/n/x");
    domain.os.loader.stateless = true;
    EXPECT_EQ(choose_firmware(domain, installed(), "/n/x").flash.variables, "");
}

TEST(Firmware, is_the_machines_own_where_nothing_is_said) {
    EXPECT_TRUE(choose_firmware({}, installed(), "/n/x").flash.empty());
}

TEST(Firmware, that_is_missing_is_an_error_with_the_package) {
    try {
        choose_firmware(efi(), {}, "/n/x");
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.hint().find("ovmf"), std::string::npos);
    }
}

} // namespace
} // namespace domus::engine::qemu
