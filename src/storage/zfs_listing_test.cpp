#include "storage/zfs_listing.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::storage {
namespace {

// What the programs of OpenZFS 2.1.11 printed for a pool of two disks.
constexpr std::string_view datasets = "tank\tfilesystem\t44592896\t72847616\t-\t0\t24576\t-\n"
                                      "tank/a b\tvolume\t10485760\t83321088\t8388608\t10485760\t12288\t-\n"
                                      "tank/part\tvolume\t4000000\t76835328\t16777216\t4000000\t12288\tlab\n"
                                      "tank/sub\tfilesystem\t10510336\t72847616\t-\t0\t24576\t-\n"
                                      "tank/thin\tvolume\t12288\t72847616\t1007616\t0\t12288\t-\n"
                                      "tank/vol1\tvolume\t19410944\t92246272\t16777216\t19398656\t12288\t-\n";

TEST(ZfsListing, volumes_right_below_a_dataset) {
    const auto listing = parse_zfs_listing(datasets, "tank");
    EXPECT_EQ(listing.used.bytes, 44592896u);
    EXPECT_EQ(listing.available.bytes, 72847616u);
    ASSERT_EQ(listing.volumes.size(), 4u);
    EXPECT_EQ(listing.volumes[0].name, "a b");
    EXPECT_EQ(listing.volumes[1].unfinished, "lab");
    const auto& thin = listing.volumes[2];
    EXPECT_EQ(thin.name, "thin");
    EXPECT_EQ(thin.size.bytes, 1007616u);
    EXPECT_EQ(thin.reserved.bytes, 0u);
    EXPECT_EQ(thin.written.bytes, 12288u);
    EXPECT_EQ(thin.unfinished, "");
    EXPECT_EQ(listing.volumes[3].reserved.bytes, 19398656u);
}

TEST(ZfsListing, those_of_other_datasets_are_passed_over) {
    constexpr std::string_view deeper = "tank/sub\tfilesystem\t1\t2\t-\t0\t3\t-\n"
                                        "tank/sub/x\tvolume\t10485760\t5\t8388608\t10485760\t12288\t-\n"
                                        "tank/subway\tvolume\t10485760\t5\t8388608\t10485760\t12288\t-\n";
    EXPECT_TRUE(parse_zfs_listing(deeper, "tank").volumes.size() == 1); // the last
    const auto sub = parse_zfs_listing(deeper, "tank/sub");
    ASSERT_EQ(sub.volumes.size(), 1u);
    EXPECT_EQ(sub.volumes[0].name, "x");
    EXPECT_EQ(sub.used.bytes, 1u);
    EXPECT_TRUE(parse_zfs_listing("", "tank").volumes.empty());
}

TEST(ZfsListing, what_is_no_table_is_refused) {
    EXPECT_THROW(parse_zfs_listing("no datasets available\n", "tank"), Error);
    EXPECT_THROW(parse_zfs_listing("tank\tfilesystem\t1\n", "tank"), Error);
}

TEST(ZpoolListing, pools_have_devices_however_they_are_grouped) {
    EXPECT_TRUE(parse_zpool_listing("").empty());
    const auto pools = parse_zpool_listing("tank\n"
                                           "\t/dev/loop0\t128M\t73K\t112M\t-\t-\t1%\t0.06%\t-\tONLINE\n"
                                           "\t/dev/loop1\t128M\t66K\t112M\t-\t-\t1%\t0.05%\t-\tONLINE\n"
                                           "safe\n"
                                           "\tmirror-0\t112M\t133K\t112M\t-\t-\t2%\t0.11%\t-\tONLINE\n"
                                           "\t/dev/loop2\t128M\t-\t-\t-\t-\t-\t-\t-\tONLINE\n");
    ASSERT_EQ(pools.size(), 2u);
    EXPECT_EQ(pools[0].name, "tank");
    ASSERT_EQ(pools[0].devices.size(), 2u);
    EXPECT_EQ(pools[0].devices[1].path, "/dev/loop1");
    EXPECT_EQ(pools[1].name, "safe");
    ASSERT_EQ(pools[1].devices.size(), 1u);
    EXPECT_EQ(pools[1].devices[0].path, "/dev/loop2");
}

TEST(ZfsNames, what_zfs_would_refuse_or_take_for_something_else) {
    for (const auto* name : {"tank", "tank/guests", "t.1_2-3:4/x"}) EXPECT_TRUE(is_zfs_dataset(name)) << name;
    for (const auto* name : {"", "/", "tank/", "/tank", "tank//x", "-f", "tank/-f", "tank@s", "tank#b", "a b",
                             "tank/..", "t\nx", "\xc3\xa4"})
        EXPECT_FALSE(is_zfs_dataset(name)) << name;
    EXPECT_TRUE(is_zfs_component("vol1"));
    EXPECT_FALSE(is_zfs_component("a/b"));
}

} // namespace
} // namespace domus::storage
