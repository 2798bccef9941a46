#include "compute/life/tpm_state.hpp"

#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace domus::compute {
namespace {

namespace fs = std::filesystem;

constexpr GuestUser tpm_user{2'100'000'007, 2'100'000'007};

struct TpmState : testing::Test {
    void SetUp() override {
        std::string name = testing::TempDir() + "tpm-XXXXXX";
        root = ::mkdtemp(name.data());
        folders.library = root / "qemu";
        state = tpm_state(folders, uuid, model::TpmVersion::v2_0);
    }
    void TearDown() override { fs::remove_all(root); }
    static uid_t owner(const fs::path& path) {
        struct stat info{};
        EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
        return info.st_uid;
    }
    fs::path root, state;
    Folders folders;
    Uuid uuid = Uuid::random();
};

model::Domain with_tpm(const std::string& backend) {
    return format::from_xml<model::Domain>(
        fmt::format("<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices><tpm "
                    "model='tpm-tis'><backend type='emulator' {}/></tpm></devices></domain>",
                    backend),
        ErrorDomain::domain);
}

TEST_F(TpmState, is_kept_only_when_it_is_whole) {
    const GuestUser us{::geteuid(), ::getegid()};
    begin_tpm_state(state, us);
    EXPECT_FALSE(fs::exists(state));
    write_file_durably(unfinished_tpm_state(state) / "half", "", 0600);
    begin_tpm_state(state, us);
    EXPECT_TRUE(fs::is_empty(unfinished_tpm_state(state)));
    finish_tpm_state(state);
    EXPECT_EQ(fs::status(state).permissions(), fs::perms::owner_all);
    EXPECT_EQ(state, root / "swtpm" / uuid.text() / "tpm2");
    remove_tpm_state(folders, uuid);
    EXPECT_TRUE(fs::is_empty(root / "swtpm"));
    remove_tpm_state(folders, uuid);
}

TEST_F(TpmState, that_was_not_finished_leaves_nothing) {
    begin_tpm_state(state, {::geteuid(), ::getegid()});
    drop_unfinished_tpm_state(state);
    EXPECT_TRUE(fs::is_empty(root / "swtpm"));
}

TEST_F(TpmState, is_given_away_and_taken_back_without_following_links) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    begin_tpm_state(state, {});
    finish_tpm_state(state);
    write_file_durably(state / "tpm2-00.permall", "state", 0600);
    write_file_durably(root / "other", "other", 0600);
    fs::create_symlink(root / "other", state / "link");
    fs::create_hard_link(root / "other", state / "hard");
    give_tpm_state(state, tpm_user);
    EXPECT_EQ(owner(state), tpm_user.uid);
    EXPECT_EQ(owner(state / "tpm2-00.permall"), tpm_user.uid);
    EXPECT_EQ(owner(root / "other"), 0U);
    take_back_tpm_state(tpm_folder(folders, uuid));
    EXPECT_EQ(owner(state), 0U);
    EXPECT_EQ(owner(state / "tpm2-00.permall"), 0U);
    take_back_tpm_state(root / "nothing");
}

TEST(TpmStateOfADomain, goes_with_its_definition_unless_it_is_to_stay) {
    const auto plain = with_tpm("version='2.0'"), persistent = with_tpm("version='2.0' persistent_state='yes'");
    EXPECT_TRUE(tpm_state_goes(plain, 0));
    EXPECT_FALSE(tpm_state_goes(plain, undefine_keep_tpm));
    EXPECT_FALSE(tpm_state_goes(persistent, 0));
    EXPECT_TRUE(tpm_state_goes(persistent, undefine_tpm));
    EXPECT_EQ(emulated_tpm(plain)->backend.type, model::TpmBackendType::emulator);
    const auto none = format::from_xml<model::Domain>(
        "<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os></domain>", ErrorDomain::domain);
    EXPECT_EQ(emulated_tpm(none), nullptr);
    EXPECT_FALSE(tpm_state_goes(none, 0)); // of an earlier definition: only when it is asked for
    EXPECT_TRUE(tpm_state_goes(none, undefine_tpm));
}

} // namespace
} // namespace domus::compute
