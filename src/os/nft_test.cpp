#include "os/nft.hpp"

#include "base/error.hpp"
#include "os/process.hpp"
#include "os/test_network.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

namespace domus::nft {

using namespace std::chrono_literals;
using testing::HasSubstr;

namespace {

constexpr auto timeout = 60s;

std::string refusal(const std::string& script, std::chrono::milliseconds by = timeout) {
    try {
        apply_script(script, by);
    } catch (const Error& error) {
        return error.text();
    }
    return "none";
}

struct Nft : testing::Test {
    void SetUp() override {
        if (::geteuid() != 0 || find_program("nft").empty()) GTEST_SKIP() << "needs root and nft";
    }
};

} // namespace

TEST_F(Nft, a_script_is_applied_as_a_whole_or_not_at_all) {
    EXPECT_TRUE(in_a_network_namespace([] {
        apply_script("table inet one {\n chain c {\n  type filter hook forward priority filter; policy drop;\n"
                     "  iifname \"x\" accept comment \"mine\"\n }\n}\n",
                     timeout);
        const auto before = list_ruleset(timeout);
        ASSERT_EQ(before.chains.size(), 1u);
        EXPECT_EQ(before.chains[0].table, "one");
        EXPECT_EQ(before.chains[0].hook, "forward");
        EXPECT_EQ(before.chains[0].policy, "drop");
        ASSERT_EQ(before.rules.size(), 1u);
        EXPECT_EQ(before.rules[0].comment, "mine");
        const auto said = refusal("add table inet two\nadd chain inet two c\n  insert rule inet none c accept\n");
        EXPECT_THAT(said, HasSubstr("No such file or directory: line 3: insert rule inet none c accept"));
        EXPECT_EQ(list_ruleset(timeout).chains.size(), 1u);
        apply_script("delete table inet one\n", timeout);
        EXPECT_TRUE(list_ruleset(timeout).chains.empty());
    }));
}

TEST_F(Nft, what_is_no_script_is_refused_with_its_line) {
    EXPECT_TRUE(in_a_network_namespace([] {
        EXPECT_THAT(refusal("add table inet x\nnonsense here\n"), HasSubstr("line 2: nonsense here"));
        EXPECT_EQ(refusal(""), "none");
    }));
}

TEST_F(Nft, is_killed_at_the_timeout) {
    EXPECT_TRUE(in_a_network_namespace([] {
        std::string long_script; // of some seconds of work
        for (int i = 0; i < 300'000; ++i) long_script += "add table inet x\n";
        EXPECT_THAT(refusal(long_script, 0ms), HasSubstr("did not end within 0 ms"));
        EXPECT_TRUE(list_ruleset(timeout).chains.empty());
    }));
}

TEST(NftComplaint, is_the_first_one_with_the_line_of_the_script) {
    EXPECT_EQ(complaint("/dev/stdin:2:1-3: Error: syntax error, unexpected foo\nfoo\n^^^\n"
                        "/dev/stdin:3:1-3: Error: another\n",
                        "one\n  foo \nthree\n"),
              "syntax error, unexpected foo: line 2: foo");
    EXPECT_EQ(complaint("internal:0:0-0: Error: Could not process rule: Device or resource busy\n", ""),
              "Could not process rule: Device or resource busy");
    EXPECT_EQ(complaint("/dev/stdin:99:1-3: Error: far\n", "one\n"), "far");
    EXPECT_EQ(complaint("netlink: cannot open\n", "x"), "netlink: cannot open");
    EXPECT_EQ(complaint("", "x"), "");
}

TEST(NftRuleset, holds_chains_and_rules_and_nothing_else) {
    const auto ruleset = parse_ruleset(R"({"nftables":[{"metainfo":{"version":"1.0.6"}},
        {"chain":{"family":"ip","table":"t","name":"plain","handle":1}}, {"rule":{"family":"ip","table":"t","chain":"plain","handle":9}},
        {"set":{"family":"ip","name":"s"}}, 7, {"rule":"odd"}, {"rule":{"handle":-1}}]})");
    ASSERT_EQ(ruleset.chains.size(), 1u);
    EXPECT_EQ(ruleset.chains[0].name, "plain");
    EXPECT_EQ(ruleset.chains[0].policy, "");
    ASSERT_EQ(ruleset.rules.size(), 2u);
    EXPECT_EQ(ruleset.rules[0].handle, 9u);
    EXPECT_EQ(ruleset.rules[1].handle, 0u);
    for (const auto* bad : {"nonsense", "{}", "[]", R"({"nftables":{}})", ""})
        EXPECT_THROW((void)parse_ruleset(bad), Error) << bad;
}

} // namespace domus::nft
