#include "storage/iscsi_target.hpp"

#include <gtest/gtest.h>

namespace domus::storage {
namespace {

constexpr std::string_view record = "# BEGIN RECORD 2.1.8\n"
                                    "node.name = iqn.2026-01.org.example:disks\n"
                                    "node.session.auth.username = me\n"
                                    "# END RECORD\n";

std::string with(std::string_view text, std::string_view password) {
    return std::string(with_password(text, Sensitive(password)).view());
}

TEST(IscsiRecord, the_password_is_a_line_before_the_end) {
    EXPECT_EQ(with(record, "two words = 1"), "# BEGIN RECORD 2.1.8\n"
                                             "node.name = iqn.2026-01.org.example:disks\n"
                                             "node.session.auth.username = me\n"
                                             "node.session.auth.password = two words = 1\n"
                                             "# END RECORD\n");
}

TEST(IscsiRecord, an_old_password_is_replaced_and_its_length_stays) {
    const auto once = with(std::string(record) + "node.session.auth.password_length = 3\n", "old");
    const auto twice = with(once, "new");
    EXPECT_EQ(twice.find("old"), std::string::npos);
    EXPECT_NE(twice.find("node.session.auth.password = new\n"), std::string::npos);
    EXPECT_NE(twice.find("node.session.auth.password_length = 3\n"), std::string::npos);
    EXPECT_EQ(with("node.name = a", "x"), "node.name = a\nnode.session.auth.password = x\n");
}

TEST(IscsiRecord, what_would_not_come_back_from_a_line_is_refused) {
    for (const auto* password : {"", " a", "a ", "a\nnode.startup = automatic", "a\tb", "\x7f"})
        EXPECT_THROW(with(record, password), Error) << password;
}

model::Pool pool() {
    model::Pool pool;
    pool.type = "iscsi";
    pool.source.hosts.emplace_back().name = "2001:db8::1";
    pool.source.devices.emplace_back().path = "iqn.2026-01.org.example:disks";
    return pool;
}

model::PoolAuth login() {
    model::PoolAuth auth;
    auth.type = "chap";
    auth.username = "me";
    auth.secret.usage = "disks";
    return auth;
}

TEST(IscsiTarget, an_address_of_ipv6_stands_in_brackets) {
    EXPECT_EQ(target_source(pool()), "target iqn.2026-01.org.example:disks at [2001:db8::1]:3260");
}

TEST(IscsiTarget, a_login_is_by_chap_and_whole) {
    auto wanted = pool();
    EXPECT_NO_THROW(admit_target(wanted));
    wanted.source.auth = login();
    EXPECT_NO_THROW(admit_target(wanted));
    const auto refused = [](auto&& spoil) {
        auto spoiled = pool();
        spoiled.source.auth = login();
        spoil(spoiled);
        EXPECT_THROW(admit_target(spoiled), Error);
    };
    refused([](auto& p) { p.source.auth->type = "ceph"; });
    refused([](auto& p) { p.source.auth->username.reset(); });
    refused([](auto& p) { p.source.auth->secret.usage.reset(); });
    refused([](auto& p) { p.source.auth->secret.uuid = Uuid::random(); });
    refused([](auto& p) { p.source.devices[0].path = "../nodes"; });
    refused([](auto& p) { p.source.devices[0].path = ".."; });
}

TEST(IscsiTarget, a_disk_reaches_a_unit_with_the_login_of_the_pool) {
    auto from = pool();
    from.source.auth = login();
    from.source.initiator = "iqn.2026-01.org.example:host";
    model::Volume volume;
    volume.name = "unit:0:0:12";
    const auto place = direct_place(from, volume);
    EXPECT_EQ(place.type, model::DiskType::network);
    EXPECT_EQ(place.source.name, "iqn.2026-01.org.example:disks/12");
    EXPECT_EQ(place.source.hosts[0].port, 3260u);
    EXPECT_EQ(place.source.initiator, "iqn.2026-01.org.example:host");
    ASSERT_TRUE(place.source.auth);
    EXPECT_EQ(place.source.auth->username, "me");
    EXPECT_EQ(place.source.auth->secret.usage, "disks");
    EXPECT_EQ(place.source.auth->secret.type, model::SecretType::iscsi);
}

} // namespace
} // namespace domus::storage
