#include "os/access.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>

namespace domus {

namespace fs = std::filesystem;

namespace {

constexpr uid_t somebody = 65534;
constexpr gid_t some_group = 4242;

/// A folder of root's that others may enter, and what root keeps in it.
struct Access : testing::Test {
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        std::string name = "/tmp/domus-access-XXXXXX";
        folder = ::mkdtemp(name.data());
        ::chmod(folder.c_str(), 0711);
        ensure_directory(folder / "closed", 0700);
        write_file_durably(folder / "closed/image", "deep", 0644);
        write_file_durably(folder / "private", "mine", 0600);
        write_file_durably(folder / "public", "all", 0644);
        write_file_durably(folder / "shared", "group", 0640);
        ASSERT_EQ(::chown((folder / "shared").c_str(), 0, some_group), 0);
    }
    void TearDown() override {
        if (!folder.empty()) fs::remove_all(folder);
    }
    /// What opening says; empty if it succeeds.
    std::string refusal(const Credentials& who, const fs::path& path, int flags) const {
        try {
            open_as(who, folder / path, flags);
            return {};
        } catch (const Error& error) {
            return error.text();
        }
    }
    fs::path folder;
};

} // namespace

TEST_F(Access, a_caller_opens_what_he_may_himself) {
    const Credentials user{somebody, somebody, 0, {}};
    EXPECT_EQ(refusal(user, "public", O_RDONLY), "");
    EXPECT_NE(refusal(user, "public", O_RDWR), "");
    EXPECT_NE(refusal(user, "private", O_RDONLY), "");
    EXPECT_EQ(refusal({0, 0, 0, {}}, "private", O_RDWR), "");
}

TEST_F(Access, the_groups_of_the_caller_count) {
    EXPECT_NE(refusal({somebody, somebody, 0, {}}, "shared", O_RDONLY), "");
    EXPECT_EQ(refusal({somebody, somebody, 0, {some_group}}, "shared", O_RDONLY), "");
    EXPECT_EQ(refusal({somebody, some_group, 0, {}}, "shared", O_RDONLY), "");
}

TEST_F(Access, the_error_names_what_refused) {
    const Credentials user{somebody, somebody, 0, {}};
    const auto closed = refusal(user, "closed/image", O_RDONLY);
    EXPECT_NE(closed.find("'" + (folder / "closed").string() + "' (mode 700) may not be searched by uid 65534"),
              std::string::npos)
        << closed;
    const auto mine = refusal(user, "private", O_RDONLY);
    EXPECT_NE(mine.find("has owner 0, group 0 and mode 600, and we are uid 65534"), std::string::npos) << mine;
    EXPECT_NE(mine.find("setfacl"), std::string::npos) << mine;
    const auto missing = refusal(user, "nothing/image", O_RDONLY);
    EXPECT_NE(missing.find("'" + (folder / "nothing").string() + "' does not exist"), std::string::npos) << missing;
}

TEST_F(Access, a_file_is_opened_again_by_who_may_read_it_wherever_it_lies) {
    const Credentials user{somebody, somebody, 0, {}}, member{somebody, some_group, 0, {}}, root{};
    const auto may = [&](const Credentials& who, const char* file) {
        return may_reopen(who, open_file(folder / file, O_RDONLY).get());
    };
    EXPECT_TRUE(may(user, "public"));
    EXPECT_TRUE(may(user, "closed/image"));
    EXPECT_FALSE(may(user, "private"));
    EXPECT_FALSE(may(user, "shared"));
    EXPECT_TRUE(may(member, "shared"));
    EXPECT_TRUE(may(root, "private"));
    ASSERT_EQ(::chown((folder / "private").c_str(), somebody, somebody), 0);
    EXPECT_TRUE(may(user, "private"));
    EXPECT_FALSE(may(root, "private"));
}

TEST_F(Access, a_server_sees_as_its_client_who_the_connection_is_for) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = (folder / "socket").string();
    path.copy(address.sun_path, path.size());
    const UniqueFd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(server.get(), 2), 0);
    ::chmod(path.c_str(), 0700);
    const Credentials user{somebody, some_group, 0, {}};
    EXPECT_THROW(connect_as(user, path), Error);
    ::chmod(path.c_str(), 0777);
    for (const auto& who : {user, Credentials{}}) {
        const auto connection = connect_as(who, path);
        const UniqueFd accepted(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const auto seen = peer_credentials(accepted.get());
        EXPECT_EQ(seen.uid, who.uid);
        EXPECT_EQ(seen.gid, who.gid);
    }
    EXPECT_EQ(::geteuid(), 0u);
    EXPECT_EQ(::getegid(), 0u);
    EXPECT_EQ(refusal({}, "private", O_RDWR), ""); // the capabilities are back too
}

TEST_F(Access, the_thread_has_its_own_identity_back) {
    EXPECT_EQ(refusal({somebody, somebody, 0, {some_group}}, "public", O_RDONLY), "");
    EXPECT_NE(refusal({somebody, somebody, 0, {some_group}}, "private", O_RDONLY), "");
    EXPECT_EQ(::setfsuid(static_cast<uid_t>(-1)), 0);
    EXPECT_EQ(::setfsgid(static_cast<gid_t>(-1)), 0);
    EXPECT_EQ(refusal({0, 0, 0, {}}, "private", O_RDWR), "");
    EXPECT_NO_THROW(read_file(folder / "private", 10));
}

} // namespace domus
