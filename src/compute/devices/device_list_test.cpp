#include "compute/devices/device_list.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::compute {

namespace {

ErrorCode code_of(const std::function<void()>& act) {
    try {
        act();
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::ok;
}

const std::string vda = "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>";

} // namespace

TEST(DeviceList, takes_the_xml_of_one_device) {
    EXPECT_EQ(parse_device(vda).element, "disk");
    EXPECT_EQ(code_of([] { (void)parse_device(vda + vda); }), ErrorCode::xml_error);
    EXPECT_EQ(code_of([] { (void)parse_device("<toaster/>"); }), ErrorCode::xml_error);
    EXPECT_EQ(code_of([] { (void)parse_device("<graphics type='vnc'/>"); }), ErrorCode::xml_error);
    EXPECT_EQ(parse_update("<graphics type='vnc' passwd='x'/>").element, "graphics");
}

TEST(DeviceList, adds_a_device_where_its_place_is_free) {
    model::Devices devices;
    add_device(devices, parse_device(vda));
    EXPECT_EQ(code_of([&] { add_device(devices, parse_device(vda)); }), ErrorCode::operation_invalid);
    const auto scsi = parse_device("<controller type='scsi' index='0'/>");
    add_device(devices, scsi);
    EXPECT_EQ(code_of([&] { add_device(devices, scsi); }), ErrorCode::operation_invalid);
    add_device(devices, parse_device("<vsock><cid address='3'/></vsock>"));
    EXPECT_EQ(code_of([&] { add_device(devices, parse_device("<vsock><cid address='4'/></vsock>")); }),
              ErrorCode::operation_invalid);
}

TEST(DeviceList, finds_what_is_meant) {
    model::Devices devices;
    add_device(devices, parse_device(vda));
    add_device(
        devices,
        parse_device("<interface type='user'><mac address='52:54:00:00:00:01'/><alias name='net0'/></interface>"));
    add_device(
        devices,
        parse_device("<interface type='user'><mac address='52:54:00:00:00:02'/><alias name='net1'/></interface>"));
    EXPECT_EQ(alias_of(devices, parse_device("<interface type='user'><mac address='52:54:00:00:00:02'/></interface>")),
              "net1");
    EXPECT_EQ(alias_of(devices, parse_device("<interface type='user'><alias name='net0'/></interface>")), "net0");
    EXPECT_EQ(code_of([&] { (void)alias_of(devices, parse_device("<interface type='user'/>")); }),
              ErrorCode::device_missing);
    // A disk is its target, whatever else is said of it.
    remove_device(devices, parse_device("<disk type='block' device='cdrom'><target dev='vda'/></disk>"));
    EXPECT_TRUE(devices.disks.empty());
}

TEST(DeviceList, a_replacement_keeps_place_and_name) {
    model::Devices devices;
    add_device(devices,
               parse_device("<disk type='file'><source file='/a'/><target dev='vda'/><alias name='virtio-disk0'/>"
                            "<address type='pci' domain='0' bus='1' slot='0' function='0'/></disk>"));
    const auto address = devices.disks[0].address;
    replace_device(devices, parse_device("<disk type='file'><source file='/b'/><target dev='vda'/></disk>"));
    EXPECT_EQ(devices.disks[0].source.file, "/b");
    EXPECT_EQ(devices.disks[0].alias, "virtio-disk0");
    EXPECT_EQ(devices.disks[0].address, address);
}

} // namespace domus::compute
