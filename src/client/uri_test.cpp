// What a URI says about the way to a daemon, and what ssh is told of it.
#include "client/transport.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace domus::client {

namespace {

Target target_of(std::string_view uri) {
    Surroundings nobody{.root = true,
                        .environment = [](std::string_view) { return std::nullopt; },
                        .exists = [](const std::string&) { return false; }};
    return resolve(uri, false, nobody);
}

std::string ssh_of(std::string_view uri) {
    return fmt::format("{}", fmt::join(ssh_command(target_of(uri), false), " "));
}

std::string refusal_of(std::string_view uri) {
    try {
        target_of(uri);
    } catch (const Error& error) {
        return error.text();
    }
    return {};
}

} // namespace

TEST(Uri, parameters_for_ssh_reach_ssh) {
    struct Case {
        std::string_view query, words;
    };
    constexpr Case cases[] = {
        {"keyfile=/k", "-i /k"},
        {"no_verify=1", "-o StrictHostKeyChecking=no"},
        {"no_tty=1", "-o BatchMode=yes"},
        {"known_hosts=/hosts", "-o UserKnownHostsFile=/hosts"},
        {"known_hosts_verify=auto", "-o StrictHostKeyChecking=accept-new"},
        {"sshauth=privkey,password", "-o PreferredAuthentications=publickey,password -o IdentityAgent=none"},
        {"sshauth=agent,keyboard-interactive", "-o PreferredAuthentications=publickey,keyboard-interactive"},
        {"command=/opt/ssh", "/opt/ssh -T"}};
    for (const auto& each : cases) {
        const auto words = ssh_of(fmt::format("qemu+ssh://me@host:22/system?{}", each.query));
        EXPECT_TRUE(words.contains(each.words)) << words;
        EXPECT_TRUE(words.contains("-p 22 -l me")) << words;
    }
    EXPECT_FALSE(ssh_of("qemu+ssh://host/system?no_verify=0").contains("StrictHostKeyChecking"));
}

TEST(Uri, the_proxy_is_chosen_by_name_or_by_what_only_netcat_can_do) {
    const auto runs = [](std::string_view query, std::string_view word) {
        return ssh_of(fmt::format("qemu+ssh://host/system{}", query)).contains(word);
    };
    EXPECT_TRUE(runs("", "virt-ssh-helper") && runs("", "nc"));
    EXPECT_TRUE(!runs("?proxy=netcat", "virt-ssh-helper") && runs("?proxy=netcat", "nc"));
    EXPECT_TRUE(runs("?proxy=native", "virt-ssh-helper") && !runs("?proxy=native", "-U"));
    EXPECT_TRUE(!runs("?netcat=/bin/ncat", "virt-ssh-helper") && runs("?netcat=/bin/ncat", "/bin/ncat"));
    EXPECT_TRUE(!runs("?socket=/x.sock&proxy=auto", "virt-ssh-helper")
                && runs("?proxy=auto&socket=/x.sock", "/x.sock"));
}

TEST(Uri, what_is_not_understood_is_refused_by_name) {
    EXPECT_TRUE(refusal_of("qemu+ssh://host/system?no_verfy=1").contains("unknown parameter 'no_verfy'"));
    EXPECT_TRUE(refusal_of("qemu+ssh://host/system?proxy=telnet").contains("proxy: 'telnet'"));
    EXPECT_TRUE(refusal_of("qemu+ssh://host/system?sshauth=magic").contains("sshauth: 'magic'"));
    EXPECT_TRUE(refusal_of("qemu+ssh://host/system?no_verify=yes").contains("no_verify: 'yes'"));
    EXPECT_TRUE(refusal_of("qemu+ssh://host/system?known_hosts_verify=never").contains("known_hosts_verify"));
    EXPECT_EQ(refusal_of("qemu+ssh://host/system?no_sanity=1&pkipath=/p&mode=legacy"), "");
}

TEST(Uri, the_server_hears_none_of_it) {
    EXPECT_EQ(target_of("qemu+ssh://host/system?no_verify=1&keyfile=/k").name, "qemu:///system");
    EXPECT_EQ(target_of("domus+ssh://host/session?name=qemu:///system").name, "qemu:///system");
}

} // namespace domus::client
