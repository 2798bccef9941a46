#include "service/domains.hpp"

#include <gtest/gtest.h>

namespace domus::service {

namespace {

/// Domains of all kinds, as lists look at them.
std::vector<DomainView> all_kinds() {
    std::vector<DomainView> views;
    const auto live = std::make_shared<compute::LiveView>();
    const auto definition = std::make_shared<compute::Definition>();
    for (const auto state :
         {compute::State::running, compute::State::paused, compute::State::shutoff, compute::State::crashed})
        for (unsigned bits = 0; bits < 32; ++bits) {
            auto& view = views.emplace_back();
            view.status = compute::Status(state);
            if (bits & 1) view.live = live;
            if (bits & 2) view.definition = definition;
            view.autostart = bits & 4;
            view.managed_save = bits & 8;
            view.has_snapshots = bits & 16;
        }
    return views;
}

} // namespace

TEST(DomainList, what_chooses_nothing_changes_no_list) {
    const auto views = all_kinds();
    for (std::uint32_t bits = 0; bits <= known_bits<DomainListFlag>(); bits += 7) {
        const auto flags = Flags<DomainListFlag>::from_bits(bits), less = narrowed(flags);
        if (less == flags) continue;
        for (const auto& view : views)
            ASSERT_EQ(chosen(view, flags), chosen(view, less)) << fmt::format("flags 0x{:x}", bits);
    }
}

TEST(DomainList, all_is_chosen_without_a_look_at_any) {
    EXPECT_TRUE(narrowed({DomainListFlag::active, DomainListFlag::inactive}).empty());
    EXPECT_TRUE(narrowed(Flags<DomainListFlag>::from_bits(known_bits<DomainListFlag>())).empty());
    const Flags<DomainListFlag> running{DomainListFlag::running, DomainListFlag::persistent};
    EXPECT_EQ(narrowed(running), running);
}

TEST(DomainList, flags_of_a_property_choose_by_it) {
    DomainView view;
    view.status = compute::Status(compute::State::shutoff);
    view.definition = std::make_shared<compute::Definition>();
    EXPECT_TRUE(chosen(view, {}));
    EXPECT_TRUE(chosen(view, {DomainListFlag::inactive}));
    EXPECT_FALSE(chosen(view, {DomainListFlag::active}));
    EXPECT_TRUE(chosen(view, {DomainListFlag::active, DomainListFlag::inactive}));
    EXPECT_TRUE(chosen(view, {DomainListFlag::shutoff, DomainListFlag::running}));
    EXPECT_FALSE(chosen(view, {DomainListFlag::running}));
    EXPECT_FALSE(chosen(view, {DomainListFlag::persistent, DomainListFlag::has_snapshot}));
}

} // namespace domus::service
