#include "compute/snapshots/snapshot_plan.hpp"
#include "compute/snapshots/snapshot_tree.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

using namespace domus;
using namespace domus::compute;

namespace {

SnapshotEntry entry(std::string name, std::string parent, std::int64_t created) {
    model::Snapshot snapshot;
    snapshot.name = std::move(name);
    if (!parent.empty()) snapshot.parent = std::move(parent);
    snapshot.creation_time = created;
    return make_entry(snapshot);
}

SnapshotTree family() {
    SnapshotTree tree;
    tree.put(entry("leaf", "left", 3));
    tree.put(entry("root", "", 1));
    tree.put(entry("left", "root", 2));
    tree.put(entry("right", "root", 4));
    tree.set_current("left");
    return tree;
}

model::Domain with_disk(std::string format) {
    model::Domain domain;
    auto& disk = domain.devices.disks.emplace_back();
    disk.target.dev = "vda";
    disk.source.file = "/images/a";
    disk.driver.type = std::move(format);
    return domain;
}

} // namespace

using Names = std::vector<std::string>;

TEST(SnapshotTree, lists_each_after_its_parent) {
    const auto tree = family();
    EXPECT_EQ(tree.list(0), (Names{"root", "left", "leaf", "right"}));
    EXPECT_EQ(tree.list(snapshot_list::roots), Names{"root"});
    EXPECT_EQ(tree.list(snapshot_list::leaves), (Names{"leaf", "right"}));
    EXPECT_EQ(tree.list_below("root", 0), (Names{"left", "right"}));
    EXPECT_EQ(tree.list_below("root", snapshot_list::descendants), (Names{"left", "leaf", "right"}));
    EXPECT_EQ(tree.list(snapshot_list::external), Names{});
    EXPECT_THROW(tree.list_below("none", 0), Error);
}

TEST(SnapshotTree, can_go_from_the_leaves_up) {
    EXPECT_EQ(family().subtree("root"), (Names{"right", "leaf", "left", "root"}));
}

TEST(SnapshotTree, gives_children_and_the_place_to_the_parent_of_what_goes) {
    auto tree = family();
    const auto changed = tree.remove("left");
    ASSERT_EQ(changed.size(), 1u);
    EXPECT_EQ(changed[0].parent, "root");
    EXPECT_NE(changed[0].xml.find("<name>root</name>"), std::string::npos);
    EXPECT_EQ(tree.get("leaf").parent, "root");
    EXPECT_EQ(tree.current(), "root");
    tree.remove("root");
    EXPECT_EQ(tree.get("leaf").parent, "");
    EXPECT_EQ(tree.current(), "");
}

TEST(SnapshotTree, says_what_the_removal_of_one_changes_in_others) {
    const auto changes = family().changes_without("left");
    ASSERT_EQ(changes.size(), 2u);
    EXPECT_EQ(changes[0].before.parent, "left");
    EXPECT_EQ(changes[0].after.parent, "root");
    EXPECT_FALSE(changes[0].was_current || changes[0].is_current);
    EXPECT_EQ(changes[1].after.name, "root");
    EXPECT_TRUE(!changes[1].was_current && changes[1].is_current);
    EXPECT_THROW((void)family().changes_without("none"), Error);
    auto tree = family();
    tree.set_current("leaf");
    const auto of_current = tree.changes_without("left");
    ASSERT_EQ(of_current.size(), 1u);
    EXPECT_TRUE(of_current[0].was_current && of_current[0].is_current) << "a child that is current stays so";
}

TEST(SnapshotPlan, says_for_each_disk_what_becomes_of_it) {
    auto domain = with_disk("qcow2");
    auto& cdrom = domain.devices.disks.emplace_back();
    cdrom.target.dev = "sda";
    cdrom.readonly = true;
    model::Snapshot snapshot;
    complete_snapshot(snapshot, domain, model::SnapshotState::running, 17);
    EXPECT_EQ(snapshot.name, "17");
    EXPECT_EQ(snapshot.memory, model::SnapshotMode::internal);
    ASSERT_EQ(snapshot.disks.size(), 2u);
    EXPECT_EQ(snapshot.disks[0].snapshot, model::SnapshotMode::internal);
    EXPECT_EQ(snapshot.disks[1].snapshot, model::SnapshotMode::no);
    EXPECT_EQ(internal_disks(snapshot, domain).size(), 1u);
}

TEST(SnapshotPlan, refuses_what_images_cannot_hold) {
    model::Snapshot snapshot;
    EXPECT_THROW(complete_snapshot(snapshot, with_disk("raw"), model::SnapshotState::shutoff, 1), Error);
    auto uefi = with_disk("qcow2");
    uefi.os.firmware = model::Firmware::efi;
    EXPECT_THROW(complete_snapshot(snapshot, uefi, model::SnapshotState::running, 1), Error);
    EXPECT_NO_THROW(complete_snapshot(snapshot, uefi, model::SnapshotState::shutoff, 1)); // only its disks are touched
    for (const auto* name : {"", "a/b", ".a", "a\nb"}) EXPECT_THROW(require_snapshot_name(name), Error) << name;
}
