#include "storage/look_order.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace domus::storage {

using Look = LookOrder::Look;

namespace {

std::set<std::string> younger(const LookOrder& order, const Look& look) {
    std::set<std::string> names;
    order.each_younger(look, [&](const std::string& name) { names.insert(name); });
    return names;
}

} // namespace

TEST(LookOrder, a_listing_that_began_before_a_volume_was_made_does_not_decide_on_it) {
    LookOrder order;
    const Look listing(order);
    {
        const Look made(order);
        EXPECT_TRUE(order.accept(made, "new"));
    }
    EXPECT_TRUE(order.accept_listing(listing));
    EXPECT_EQ(younger(order, listing), std::set<std::string>{"new"});
}

TEST(LookOrder, an_older_read_of_one_volume_yields_to_a_younger_one) {
    LookOrder order;
    const Look old(order), young(order);
    EXPECT_TRUE(order.accept(young, "v"));
    EXPECT_FALSE(order.accept(old, "v"));
    EXPECT_TRUE(order.accept(old, "other"));
}

TEST(LookOrder, an_older_read_yields_to_a_younger_listing) {
    LookOrder order;
    const Look old(order), old_listing(order), listing(order);
    EXPECT_TRUE(order.accept_listing(listing));
    EXPECT_FALSE(order.accept(old, "v"));
    EXPECT_FALSE(order.accept_listing(old_listing));
    EXPECT_TRUE(order.accept_sizes(listing));
    EXPECT_FALSE(order.accept_sizes(old));
}

TEST(LookOrder, what_is_known_of_single_volumes_is_kept_no_longer_than_reads_are_under_way) {
    LookOrder order;
    {
        const Look one(order);
        EXPECT_TRUE(order.accept(one, "v"));
    }
    const Look next(order);
    EXPECT_EQ(younger(order, next), std::set<std::string>());
    EXPECT_TRUE(order.accept(next, "v"));
}

} // namespace domus::storage
