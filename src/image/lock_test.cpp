#include "base/error.hpp"
#include "image/holder.hpp"
#include "image/lease.hpp"
#include "image/lock.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace domus::image {

namespace {

class Locks : public testing::Test {
protected:
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("domus-locks-" + std::to_string(::getpid()));
    std::string path = (folder / "image").string();

    void SetUp() override {
        std::filesystem::create_directory(folder);
        write_file_durably(path, "x", 0600);
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    UniqueFd open() { return open_file(path, O_RDWR); }

    /// Whether a second user may come beside a first one.
    bool together(Claim first, Claim second) {
        const auto one = open(), two = open();
        EXPECT_TRUE(claim(one.get(), first));
        return claim(two.get(), second);
    }
};

constexpr Claim reader{.write = false, .share = false}, writer{.write = true, .share = false},
    sharer{.write = true, .share = true}, onlooker{.write = false, .share = true};

} // namespace

TEST_F(Locks, go_together_as_qemu_has_it) {
    EXPECT_TRUE(together(reader, reader));
    EXPECT_TRUE(together(sharer, sharer));
    EXPECT_TRUE(together(onlooker, writer));
    EXPECT_TRUE(together(writer, onlooker));
    for (const auto other : {reader, writer, sharer}) {
        EXPECT_FALSE(together(writer, other));
        EXPECT_FALSE(together(other, writer));
    }
    EXPECT_FALSE(together(reader, sharer));
    EXPECT_FALSE(together(sharer, reader));
}

TEST_F(Locks, what_is_refused_leaves_none_and_what_is_closed_ends) {
    auto one = open();
    ASSERT_TRUE(claim(one.get(), reader));
    const auto two = open();
    EXPECT_FALSE(claim(two.get(), writer));
    EXPECT_TRUE(look_for_use(two.get()).any);
    EXPECT_FALSE(look_for_use(one.get()).any);
    one = UniqueFd();
    EXPECT_FALSE(look_for_use(two.get()).any);
    EXPECT_TRUE(claim(two.get(), writer));
}

TEST_F(Locks, held_alone_it_is_nobody_elses) {
    {
        const auto held = hold_alone(path);
        const auto other = open();
        for (const auto each : {reader, writer, sharer, onlooker}) EXPECT_FALSE(claim(other.get(), each));
        EXPECT_THROW(hold_alone(path), Error);
        EXPECT_EQ(find_holder(other.get(), path).value().pid, ::getpid());
    }
    EXPECT_FALSE(find_holder(open().get(), path));
}

TEST_F(Locks, notes_are_taken_away_by_whom_they_are_of) {
    const Lease ours{.host = "alpha", .domain = "web", .uuid = "u"},
        others{.host = "beta", .domain = "db", .uuid = "v"};
    const auto link = (folder / "link").string();
    std::filesystem::create_symlink(path, link);
    write_lease(own_credentials(), path, others);
    write_lease(own_credentials(), link, ours);
    EXPECT_EQ(lease_path(link), (folder / ".image.domus-lease").string());
    EXPECT_TRUE(is_lease(".image.domus-lease"));
    EXPECT_EQ(read_lease(path), ours);
    remove_lease(path, others);
    EXPECT_EQ(read_lease(path), ours);
    EXPECT_EQ(find_holder(open().get(), path).value().text(), "domain 'web' (uuid u) on host 'alpha'");
    remove_lease(path, ours);
    EXPECT_FALSE(std::filesystem::exists(lease_path(path)));
    write_file_durably(lease_path(path), "{\"host\": 7", 0600);
    EXPECT_FALSE(read_lease(path));
}

} // namespace domus::image
