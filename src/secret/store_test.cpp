#include "secret/store.hpp"

#include "os/files.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace domus::secret {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

namespace {

constexpr std::string_view plain = "correct horse battery staple";

class SecretStore : public testing::Test {
protected:
    SecretStore() { store.prepare(); }
    ~SecretStore() override { fs::remove_all(root); }

    model::Secret saved() const {
        model::Secret secret;
        secret.uuid = Uuid::random();
        store.save(secret, true);
        return secret;
    }
    fs::path value_of(const model::Secret& secret) const {
        return folders.definitions / (secret.uuid->text() + ".value");
    }
    std::string refusal(const model::Secret& secret) const {
        try {
            (void)store.read_value(*secret.uuid);
        } catch (const Error& error) {
            return error.text();
        }
        return "none";
    }

    static fs::path make_root() {
        std::string pattern = (fs::temp_directory_path() / "domus-secrets-XXXXXX").string();
        return ::mkdtemp(pattern.data());
    }

    fs::path root = make_root();
    Folders folders{root / "etc", root / "lib/key"};
    Store store{folders};
};

} // namespace

TEST_F(SecretStore, a_definition_that_cannot_go_keeps_its_value_and_a_cut_leaves_no_value_alone) {
    const auto kept = saved(), cut = saved(), aside = saved();
    for (const auto& secret : {kept, cut, aside}) store.save_value(*secret.uuid, Sensitive(plain));
    const auto file_of = [&](const model::Secret& secret) {
        return folders.definitions / (secret.uuid->text() + ".xml");
    };
    fs::rename(file_of(kept), root / "elsewhere");
    fs::create_directory(file_of(kept)); // no file that can be removed
    EXPECT_THROW(store.remove(*kept.uuid), Error);
    fs::remove(file_of(kept));
    fs::rename(root / "elsewhere", file_of(kept));
    fs::remove(file_of(cut));
    fs::rename(file_of(aside), file_of(aside).string() + ".broken");
    EXPECT_EQ(store.load().secrets.size(), 1u);
    EXPECT_TRUE(fs::exists(value_of(kept)));
    EXPECT_FALSE(fs::exists(value_of(cut)));
    EXPECT_TRUE(fs::exists(value_of(aside)));
}

TEST_F(SecretStore, gives_back_what_it_kept_and_only_encrypted_bytes_lie_on_the_disk) {
    const auto secret = saved();
    EXPECT_FALSE(store.read_value(*secret.uuid));
    store.save_value(*secret.uuid, Sensitive(plain));
    EXPECT_EQ(store.read_value(*secret.uuid)->view(), plain);
    EXPECT_THAT(read_file(value_of(secret), 4096), Not(HasSubstr(plain.substr(0, 7))));
    for (const auto& path : {value_of(secret), folders.key}) {
        struct stat info{};
        ASSERT_EQ(::stat(path.c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
    }
    const auto loaded = store.load();
    EXPECT_TRUE(loaded.complaints.empty());
    ASSERT_EQ(loaded.secrets.size(), 1u);
    store.remove(*secret.uuid);
    EXPECT_TRUE(fs::is_empty(folders.definitions));
}

TEST_F(SecretStore, tells_damage_a_moved_value_and_another_key_from_a_value) {
    const auto secret = saved(), other = saved();
    store.save_value(*secret.uuid, Sensitive(plain));
    fs::copy_file(value_of(secret), value_of(other));
    EXPECT_THAT(refusal(other), HasSubstr("secret-set-value"));
    EXPECT_EQ(store.load().complaints.size(), 1u) << "told at the start, and the definition stays";
    std::ofstream(value_of(secret)) << "nonsense";
    EXPECT_THAT(refusal(secret), HasSubstr("does not begin"));
    store.save_value(*secret.uuid, Sensitive(plain));
    write_file_durably(folders.key, std::string(32, 'k'), 0600);
    EXPECT_THAT(refusal(secret), HasSubstr("another key"));
}

TEST_F(SecretStore, does_not_use_a_key_that_others_can_read_nor_make_one_over_values) {
    const auto secret = saved();
    store.save_value(*secret.uuid, Sensitive(plain));
    fs::permissions(folders.key, fs::perms(0644));
    EXPECT_THAT(refusal(secret), HasSubstr("chmod 0600"));
    fs::remove(folders.key);
    EXPECT_THROW(store.save_value(*secret.uuid, Sensitive(plain)), Error);
    EXPECT_FALSE(fs::exists(folders.key));
}

TEST_F(SecretStore, sets_broken_definitions_aside_and_clears_what_was_half_written) {
    const auto good = saved();
    const auto name = Uuid::random().text();
    std::ofstream(folders.definitions / (name + ".xml")) << "<secret";
    std::ofstream(folders.definitions / ".domus-a1B2c3.new") << "half";
    store.prepare();
    const auto loaded = store.load();
    EXPECT_EQ(loaded.secrets.size(), 1u);
    EXPECT_EQ(loaded.complaints.size(), 1u);
    EXPECT_TRUE(fs::exists(folders.definitions / (name + ".xml.broken")));
    EXPECT_FALSE(fs::exists(folders.definitions / ".domus-a1B2c3.new"));
    EXPECT_EQ(store.load().secrets.size(), 1u);
    EXPECT_TRUE(fs::exists(folders.definitions / (name + ".xml.broken"))) << "what was set aside is the user's";
}

TEST_F(SecretStore, waits_for_no_file_that_is_none) {
    const auto good = saved(), fifo = saved(), loop = saved(), folder = saved();
    for (const auto& secret : {good, fifo}) store.save_value(*secret.uuid, Sensitive(plain));
    fs::remove(value_of(fifo));
    ASSERT_EQ(::mkfifo(value_of(fifo).c_str(), 0600), 0);
    fs::create_symlink(value_of(loop), value_of(loop));
    fs::create_directory(value_of(folder));
    const auto loaded = store.load();
    EXPECT_EQ(loaded.secrets.size(), 4u);
    EXPECT_EQ(loaded.complaints.size(), 3u);
    EXPECT_EQ(store.read_value(*good.uuid)->view(), plain);
    fs::remove(folders.key);
    ASSERT_EQ(::mkfifo(folders.key.c_str(), 0600), 0);
    EXPECT_THAT(refusal(good), HasSubstr("a FIFO"));
}

} // namespace domus::secret
