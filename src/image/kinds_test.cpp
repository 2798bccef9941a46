// What holds for every image format that the build has.
#include "image/formats.hpp"

#include <gmock/gmock.h>

#include <set>

namespace domus::image {
namespace {

TEST(FormatKinds, are_found_by_their_names) {
    std::set<std::string_view> names;
    for (const auto* format : all_kinds()) {
        EXPECT_TRUE(names.insert(format->name).second) << format->name << " is there twice";
        EXPECT_EQ(find_format(format->name), format);
        EXPECT_NE(format->recognizes, nullptr);
        EXPECT_NE(format->read, nullptr);
    }
    EXPECT_EQ(find_format("nonsense"), nullptr);
}

TEST(FormatKinds, raw_is_probed_last_and_made_first) {
    EXPECT_EQ(known_formats().back(), "raw");
    EXPECT_EQ(creatable_formats().front(), "raw");
    EXPECT_THAT(creatable_formats(), testing::IsSubsetOf(known_formats()));
}

TEST(FormatKinds, have_the_names_of_qemus_drivers) {
    EXPECT_EQ(qemu_driver("iso"), "raw");
    EXPECT_EQ(qemu_driver("vhdx"), "vhdx");
    EXPECT_EQ(qemu_driver("parallels"), "parallels"); // not known here
}

} // namespace
} // namespace domus::image
