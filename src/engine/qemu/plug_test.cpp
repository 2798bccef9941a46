#include "engine/qemu/plug.hpp"

#include "model/network_source.hpp"

#include "base/error.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/character_backend.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <gtest/gtest.h>

namespace domus::engine::qemu {

namespace json = boost::json;

namespace {

model::Domain machine_with(const std::string& devices) {
    auto domain = format::from_xml<model::Domain>("<domain type='qemu'><name>plug</name><memory>65536</memory>"
                                                  "<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>"
                                                  + devices + "</devices></domain>");
    complete(domain, test_capabilities());
    assign_aliases(domain);
    return domain;
}

std::vector<std::string> names(const std::vector<PlugStep>& steps) {
    std::vector<std::string> list;
    for (const auto& step : steps) list.push_back(step.command.name);
    return list;
}

const char* one_disk = "<disk type='file'><driver type='qcow2'/><source file='/i'/><target dev='vda'/></disk>"
                       "<disk type='file'><source file='/j'/><target dev='vdb'/></disk>";

} // namespace

TEST(Plug, a_disk_is_its_descriptor_its_nodes_and_its_device_of_that_disk_alone) {
    const auto live = machine_with(one_disk);
    Launch launch;
    const auto fd = std::make_shared<UniqueFd>(make_memfd("image", "x"));
    launch.disks["virtio-disk1"].push_back({{fd}});
    const auto steps = plug_steps(live, "virtio-disk1", test_capabilities(), launch, 7);
    EXPECT_EQ(names(steps), (std::vector<std::string>{"add-fd", "blockdev-add", "blockdev-add", "device_add"}));
    EXPECT_EQ(steps[0].fd, fd);
    EXPECT_EQ(steps[0].command.arguments, (json::object{{"fdset-id", 7}, {"opaque", "virtio-disk1"}}));
    EXPECT_EQ(steps[1].command.arguments.at("filename"), "/dev/fdset/7");
    EXPECT_EQ(steps[1].undo.arguments, (json::object{{"node-name", "vdb-file"}}));
    EXPECT_EQ(steps[3].command.arguments.at("id"), "virtio-disk1");
}

TEST(Plug, what_stays_behind_goes_from_the_top_down) {
    const auto commands = leftovers(machine_with(one_disk), "virtio-disk0", test_capabilities());
    ASSERT_EQ(commands.size(), 2u);
    EXPECT_EQ(commands[0].arguments, (json::object{{"node-name", "vda"}}));
    EXPECT_EQ(commands[1].arguments, (json::object{{"node-name", "vda-file"}}));
}

TEST(Plug, the_lease_of_an_image_on_a_server_comes_first_and_goes_last) {
    const auto live = machine_with(
        "<disk type='network'><source protocol='nbd' name='e'><host name='h'/></source><target dev='vda'/></disk>"
        "<disk type='network'><source protocol='https' name='e'><host name='h'/></source><target dev='vdb'/></disk>");
    EXPECT_EQ(model::network_source(model::DiskType::network, live.devices.disks[0].source), "nbd://h:10809/e");
    EXPECT_EQ(model::network_source(model::DiskType::network, live.devices.disks[1].source), std::nullopt);
    Launch launch;
    launch.disks["virtio-disk0"].push_back({{std::make_shared<UniqueFd>(make_memfd("lease", ""))}});
    const auto steps = plug_steps(live, "virtio-disk0", test_capabilities(), launch, 7);
    ASSERT_EQ(names(steps),
              (std::vector<std::string>{"add-fd", "blockdev-add", "blockdev-add", "blockdev-add", "device_add"}));
    EXPECT_EQ(steps[1].command.arguments.at("node-name"), "vda-lease");
    EXPECT_EQ(steps[1].command.arguments.at("filename"), "/dev/fdset/7");
    EXPECT_EQ(leftovers(live, "virtio-disk0", test_capabilities()).back().arguments,
              (json::object{{"node-name", "vda-lease"}}));
    EXPECT_EQ(leftovers(live, "virtio-disk1", test_capabilities()).size(), 2u);
}

TEST(Plug, a_tap_goes_by_name) {
    const auto live = machine_with("<interface type='bridge'><source bridge='b'/><model type='virtio'/></interface>");
    Launch launch;
    launch.interfaces["net0"].taps.push_back(std::make_shared<UniqueFd>(make_memfd("tap", "")));
    const auto steps = plug_steps(live, "net0", test_capabilities(), launch, 1);
    ASSERT_EQ(names(steps), (std::vector<std::string>{"getfd", "netdev_add", "device_add"}));
    EXPECT_EQ(steps[1].command.arguments.at("fd"), steps[0].command.arguments.at("fdname"));
    EXPECT_EQ(steps[1].undo.name, "netdev_del");
}

TEST(Plug, what_does_not_know_sets_of_descriptors_opens_the_one_before) {
    const auto live = machine_with("<interface type='user'><model type='virtio'/><rom file='/rom'/></interface>"
                                   "<shmem name='shared'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>");
    Launch launch;
    for (const char* path : {"/rom", "/dev/shm/shared"})
        launch.files[path] = std::make_shared<UniqueFd>(make_memfd("file", ""));
    const auto rom = plug_steps(live, "net0", test_capabilities(), launch, 3);
    ASSERT_EQ(names(rom), (std::vector<std::string>{"netdev_add", "add-fd", "device_add"}));
    EXPECT_EQ(rom[2].opens_passed, "romfile");
    const auto memory = plug_steps(live, "shmem0", test_capabilities(), launch, 3);
    ASSERT_EQ(names(memory), (std::vector<std::string>{"add-fd", "object-add", "device_add"}));
    EXPECT_EQ(memory[1].opens_passed, "mem-path");
}

TEST(Plug, a_controller_is_plugged_in_without_the_others) {
    const auto live =
        machine_with("<controller type='scsi' model='virtio-scsi'/><controller type='scsi' model='virtio-scsi'/>");
    const auto steps = plug_steps(live, "scsi1", test_capabilities(), {}, 1);
    ASSERT_EQ(steps.size(), 1u);
    EXPECT_EQ(steps[0].command.arguments.at("id"), "scsi1");
}

TEST(Plug, a_controller_is_plugged_in_beside_companions_of_a_usb_controller) {
    const auto live = machine_with("<controller type='usb' model='ich9-ehci1'/><controller type='usb' "
                                   "model='ich9-uhci1'><master startport='0'/></controller>"
                                   "<controller type='usb' model='ich9-uhci2'><master startport='2'/></controller>"
                                   "<controller type='usb' model='ich9-uhci3'><master startport='4'/></controller>"
                                   "<controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial'/>");
    for (const auto* alias : {"scsi0", "virtio-serial0"}) {
        const auto steps = plug_steps(live, alias, test_capabilities(), {}, 1);
        ASSERT_EQ(steps.size(), 1u);
        EXPECT_EQ(steps[0].command.arguments.at("id"), alias);
        EXPECT_EQ(steps[0].undo.arguments.at("id"), alias);
    }
}

TEST(Plug, refuses_what_a_running_machine_does_not_take) {
    EXPECT_THROW(require_pluggable("video", 3), Error);
    EXPECT_NO_THROW(require_pluggable("disk", 3));
}

TEST(CharacterBackend, is_what_the_command_line_says) {
    const auto socket = character_backend("socket,id=charchannel0,path=/a,,b,server=on,wait=off");
    EXPECT_EQ(socket.at("id"), "charchannel0");
    EXPECT_EQ(json::value(socket).at_pointer("/backend/data/addr/data/path"), "/a,b");
    EXPECT_EQ(json::value(socket).at_pointer("/backend/data/wait"), false);
    EXPECT_EQ(json::value(character_backend("pty,id=c")).at_pointer("/backend/type"), "pty");
    const auto udp = character_backend("udp,id=c,host=h,port=1,localaddr=,localport=2");
    EXPECT_EQ(json::value(udp).at_pointer("/backend/data/local/data/port"), "2");
    EXPECT_THROW(character_backend("stdio,id=c"), Error);
}

} // namespace domus::engine::qemu
