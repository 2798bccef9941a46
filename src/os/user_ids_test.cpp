#include "os/user_ids.hpp"

#include "base/error.hpp"
#include "os/process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace domus {

namespace {

constexpr uid_t first = 2'147'000'000; ///< beyond those that a daemon takes by default

struct UserIdsTest : testing::Test {
    void SetUp() override {
        std::string name = "/tmp/domus-user-ids-XXXXXX";
        file = std::filesystem::path(::mkdtemp(name.data())) / "lock";
    }
    void TearDown() override { std::filesystem::remove_all(file.parent_path()); }
    UserIdClaim claim(std::uint32_t count, std::uint32_t start) const {
        return UserIdClaim::make({first, count}, start, file);
    }
    std::filesystem::path file;
};

} // namespace

TEST_F(UserIdsTest, a_range_is_read_from_text) {
    EXPECT_EQ(parse_user_ids("100-199"), (UserIds{100, 100}));
    EXPECT_EQ(parse_user_ids("7-8"), (UserIds{7, 2}));
    for (const char* wrong :
         {"", "7", "-", "7-", "-7", "9-7", "7-7", "0-7", "a-b", "1-4294967295", "1-99999999999", "1 - 7"})
        EXPECT_EQ(parse_user_ids(wrong), std::nullopt) << wrong;
}

TEST_F(UserIdsTest, no_two_claims_have_one_id_and_one_that_goes_frees_its_own) {
    const auto one = claim(3, 1);
    EXPECT_EQ(one.uid(), first + 1);
    const auto two = claim(3, 1);
    EXPECT_EQ(two.uid(), first + 2);
    {
        const auto three = claim(3, 1);
        EXPECT_EQ(three.uid(), first);
        EXPECT_THROW(claim(3, 1), Error);
    }
    EXPECT_EQ(claim(3, 1).uid(), first);
}

TEST_F(UserIdsTest, an_id_of_a_process_is_in_use_until_it_ends) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_TRUE(has_processes(0));
    EXPECT_FALSE(has_processes(first + 5));
    Command command("sleep");
    command.arguments = {"600"};
    command.uid = command.gid = first + 5;
    {
        const auto process = Process::spawn(command);
        EXPECT_TRUE(has_processes(first + 5));
        EXPECT_EQ(claim(6, 5).uid(), first);
    }
    EXPECT_FALSE(has_processes(first + 5));
    EXPECT_EQ(claim(6, 5).uid(), first + 5);
}

} // namespace domus
