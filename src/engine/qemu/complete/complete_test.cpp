#include "engine/qemu/complete.hpp"

#include "base/error.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/xml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::engine::qemu {
namespace {

using testing::HasSubstr;

std::string inactive(const model::Domain& domain) { return format::to_xml(domain, {.live = false, .secrets = true}); }

model::Domain parse(const std::string& devices, const std::string& machine = "q35", const std::string& more = {}) {
    return format::from_xml<model::Domain>(
        "<domain type='qemu'><name>x</name><memory unit='MiB'>128</memory><os><type arch='x86_64' machine='" + machine
            + "'>hvm</type></os>" + more + "<devices>" + devices + "</devices></domain>",
        ErrorDomain::domain);
}
model::Domain completed(const std::string& devices, const std::string& machine = "q35", const std::string& more = {}) {
    auto domain = parse(devices, machine, more);
    complete(domain, test_capabilities());
    return domain;
}
std::string failure(const std::string& devices, const std::string& machine = "q35", const std::string& more = {}) {
    try {
        completed(devices, machine, more);
    } catch (const Error& error) {
        return error.text();
    }
    return "nothing failed";
}

class Complete : public testing::TestWithParam<std::string> {};

TEST_P(Complete, fills_in_what_the_definition_leaves_open) {
    auto domain = test_domain(GetParam());
    complete(domain, test_capabilities());
    expect_golden(GetParam() + ".complete.xml", inactive(domain), [](const std::string& golden) {
        // How a document is written is the model's affair.
        return inactive(format::from_xml<model::Domain>(golden, ErrorDomain::domain));
    });
}

TEST_P(Complete, changes_nothing_the_second_time) {
    auto domain = test_domain(GetParam());
    complete(domain, test_capabilities());
    const auto once = inactive(domain);
    complete(domain, test_capabilities());
    EXPECT_EQ(inactive(domain), once);
    auto again = format::from_xml<model::Domain>(once, ErrorDomain::domain);
    complete(again, test_capabilities());
    complete(again, test_capabilities());
    const auto twice = inactive(again);
    complete(again, test_capabilities());
    EXPECT_EQ(inactive(again), twice);
}

TEST_P(Complete, passes_the_checks_of_the_model) {
    auto domain = test_domain(GetParam());
    complete(domain, test_capabilities());
    format::Findings findings;
    model::check(domain, findings);
    for (const auto& finding : findings) ADD_FAILURE() << finding.line << ": " << finding.text;
}

INSTANTIATE_TEST_SUITE_P(Definitions, Complete, testing::ValuesIn(test_domain_names()), [](const auto& each) {
    auto name = each.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

TEST(CompleteErrors, name_both_devices_of_a_clash) {
    const std::string at =
        "<model type='virtio'/><address type='pci' domain='0' bus='0' slot='3' function='0'/></interface>";
    EXPECT_THAT(
        failure("<interface type='user'><mac address='52:54:00:00:00:01'/>" + at
                + "<interface type='user'><mac address='52:54:00:00:00:02'/>" + at),
        HasSubstr(
            "interface '52:54:00:00:00:01' and interface '52:54:00:00:00:02' both want PCI address 0000:00:03.0"));
    EXPECT_THAT(failure("<disk type='file'><source file='/a'/><target dev='sda' bus='sata'/><address type='drive' "
                        "controller='0' bus='0' target='0' unit='1'/></disk>"
                        "<disk type='file'><source file='/b'/><target dev='sdb' bus='sata'/><address type='drive' "
                        "controller='0' bus='0' target='0' unit='1'/></disk>"),
                HasSubstr("disks 'sda' and 'sdb' both want"));
    EXPECT_THAT(failure("<input type='tablet' bus='usb'><address type='usb' bus='0' port='1'/></input>"
                        "<input type='mouse' bus='usb'><address type='usb' bus='0' port='1'/></input>"),
                HasSubstr("both want USB bus 0 port 1"));
}

TEST(CompleteErrors, say_why_kvm_cannot_be_had_and_what_to_take) {
    auto domain = parse("");
    domain.type = model::DomainType::kvm;
    try {
        complete(domain, test_capabilities());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::config_unsupported);
        EXPECT_THAT(error.text(), HasSubstr("this is a test"));
        EXPECT_THAT(error.hint(), HasSubstr("type='qemu'"));
    }
}

TEST(CompleteErrors, tell_what_a_machine_does_not_have) {
    EXPECT_THAT(failure("<disk type='file'><source file='/a'/><target dev='hda'/></disk>"), HasSubstr("wants IDE"));
    EXPECT_THAT(failure("", "microvm"), HasSubstr("microvm"));
    EXPECT_THAT(failure("<controller type='usb' model='none'/><input type='tablet' bus='usb'/>"),
                HasSubstr("no USB controller"));
    EXPECT_THAT(failure("<disk type='file'><source file='/a'/><target dev='zz9'/></disk>"), HasSubstr("zz9"));
}

TEST(CompletePci, fills_the_first_bus_and_then_goes_behind_a_bridge) {
    std::string many;
    for (int i = 0; i < 30; ++i) many += "<interface type='user'><model type='virtio'/></interface>";
    const auto domain = completed(many, "pc");
    const auto& interfaces = domain.devices.interfaces;
    EXPECT_EQ(interfaces.front().address->text(), "0000:00:03.0"); // the bridge chose first
    EXPECT_EQ(interfaces.back().address->text(), "0000:01:01.0");
    EXPECT_EQ(domain.devices.memballoon->address->text(), "0000:01:02.0");
}

TEST(CompletePci, makes_ports_for_the_buses_that_addresses_name) {
    const auto domain = completed("<interface type='user'><model type='virtio'/><address type='pci' domain='0' bus='5' "
                                  "slot='0' function='0'/></interface>");
    unsigned ports = 0;
    for (const auto& controller : domain.devices.controllers)
        if (controller.model == "pcie-root-port") ++ports;
    EXPECT_EQ(ports, 5u);
}

TEST(CompletePci, gives_no_spare_port_to_a_domain_that_brings_its_own) {
    const auto domain = completed(
        "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/>"
        "<controller type='pci' index='2' model='pcie-root-port'/>");
    EXPECT_EQ(domain.devices.controllers.size(), 5u);
    EXPECT_EQ(domain.devices.memballoon->address->text(), "0000:02:00.0");
}

TEST(CompletePci, a_port_without_an_index_is_not_taken_for_the_root) {
    const auto domain =
        completed("<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>");
    const auto& controllers = domain.devices.controllers;
    const auto ports = std::ranges::count_if(
        controllers, [](const auto& each) { return each.model == "pcie-root-port" && *each.index > 0; });
    EXPECT_GE(ports, 2);
    EXPECT_EQ(std::ranges::count(controllers, std::optional<std::string>("pcie-root"), &model::Controller::model), 1);
}

TEST(CompletePci, a_device_that_is_plugged_in_later_takes_the_spare_port) {
    auto domain = completed("");
    const auto controllers = domain.devices.controllers.size();
    auto& interface = domain.devices.interfaces.emplace_back();
    interface.type = model::InterfaceType::user;
    interface.model = "virtio";
    complete_devices(domain);
    EXPECT_EQ(domain.devices.interfaces.front().address->text(), "0000:03:00.0");
    EXPECT_EQ(domain.devices.controllers.size(), controllers);
}

TEST(CompleteUsb, adds_a_hub_when_the_ports_run_out) {
    std::string tablets;
    for (int i = 0; i < 5; ++i) tablets += "<input type='tablet' bus='usb'/>";
    const auto domain = completed(tablets, "pc");
    ASSERT_EQ(domain.devices.hubs.size(), 1u);
    EXPECT_EQ(domain.devices.hubs[0].address->usb_port, "1");
    EXPECT_EQ(domain.devices.inputs[0].address->usb_port, "2");
    EXPECT_EQ(domain.devices.inputs[1].address->usb_port, "1.1");
}

TEST(CompleteConsole, stands_for_the_first_serial_port_whichever_was_given) {
    const auto from_console = completed("<console type='pty'/>");
    ASSERT_EQ(from_console.devices.serials.size(), 1u);
    EXPECT_EQ(from_console.devices.serials[0].target.type, "isa-serial");
    const auto from_serial = completed("<serial type='file'><source path='/tmp/q'/></serial><console type='pty'/>");
    ASSERT_EQ(from_serial.devices.consoles.size(), 1u);
    EXPECT_EQ(from_serial.devices.consoles[0].type, model::CharacterType::file);
    EXPECT_EQ(from_serial.devices.consoles[0].target.port, 0u);
}

} // namespace
} // namespace domus::engine::qemu
