#include "os/definition_store.hpp"

#include "os/test_folder.hpp"

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <optional>
#include <thread>

namespace domus {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

/// A definition is "NAME KEY"; one that is not is broken.
struct Pair {
    std::string name, key;
};

struct DefinitionStoreTest : FolderTest {
    DefinitionStoreTest() { store.prepare(); }

    static Pair parse(const std::string& name, const std::string& text) {
        auto line = text.substr(text.rfind('\n') + 1);
        if (!line.starts_with(name + " ")) throw Error(ErrorCode::xml_error, ErrorDomain::none, "it is broken");
        return {name, line.substr(name.size() + 1)};
    }
    LoadedDefinitions<Pair> load() const {
        return store.load(parse, [](const Pair& pair) { return pair.key; });
    }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto& each : load().definitions) all.push_back(each.name + (each.autostart ? "*" : ""));
        std::ranges::sort(all);
        return all;
    }
    std::string refusal(const std::function<void()>& attempt) const {
        try {
            attempt();
        } catch (const Error& error) {
            return error.text();
        }
        return "none";
    }
    std::string text(const fs::path& path) const { return read_file(path, 1u << 20); }

    fs::path definitions = folder / "kept", links = folder / "kept/autostart";
    DefinitionStore store{{definitions, links}};
};

} // namespace

TEST_F(DefinitionStoreTest, gives_back_what_was_saved_until_it_is_removed) {
    store.save("a", "a 1", true);
    store.save("b", "b 2", true);
    store.set_autostart("b", true);
    EXPECT_THAT(names(), ElementsAre("a", "b*"));
    EXPECT_EQ(fs::read_symlink(links / "b.xml"), definitions / "b.xml");
    EXPECT_EQ(fs::status(definitions / "a.xml").permissions(), fs::perms(0600));
    store.save("a", "a 3", false);
    EXPECT_EQ(text(store.file("a")), "a 3");
    store.set_autostart("b", false);
    store.set_autostart("b", false);
    EXPECT_FALSE(store.autostarts("b"));
    store.set_autostart("b", true);
    store.remove("b");
    store.remove("b");
    EXPECT_THAT(names(), ElementsAre("a"));
    EXPECT_TRUE(fs::is_empty(links));
    EXPECT_TRUE(store.damage().empty());
}

TEST_F(DefinitionStoreTest, a_broken_file_is_set_aside_and_told_of_and_its_name_can_be_used) {
    store.save("good", "good 1", true);
    store.save("bad", "nonsense", true);
    store.save("twin", "twin 1", true);
    store.set_autostart("bad", true);
    fs::last_write_time(store.file("good"), fs::file_time_type::clock::now() - std::chrono::hours(1));
    const auto loaded = load();
    ASSERT_EQ(loaded.definitions.size(), 1u);
    EXPECT_EQ(loaded.definitions[0].value.key, "1");
    EXPECT_EQ(loaded.complaints.size(), 2u);
    EXPECT_EQ(text(definitions / "bad.xml.broken"), "nonsense");
    EXPECT_THAT(store.damage(),
                testing::UnorderedElementsAre(HasSubstr("bad.xml.broken"), HasSubstr("twin.xml.broken")));
    EXPECT_TRUE(fs::is_symlink(links / "bad.xml")) << "it is for whoever mends the file";
    store.save("bad", "bad 2", true);
    EXPECT_THAT(names(), ElementsAre("bad*", "good"));
    const auto complaint = store.reject("good", "it clashes");
    EXPECT_EQ(complaint.file, definitions / "good.xml.broken");
    EXPECT_THAT(complaint.text, HasSubstr("it clashes"));
}

TEST_F(DefinitionStoreTest, nothing_is_written_over_a_file_that_was_not_read) {
    fs::create_symlink("/nowhere/mounted", store.file("away"));
    EXPECT_EQ(load().complaints.size(), 1u);
    EXPECT_THAT(refusal([&] { store.save("away", "away 1", true); }), HasSubstr("cannot be read"));
    EXPECT_TRUE(fs::is_symlink(store.file("away")));
    EXPECT_THAT(store.damage(), ElementsAre(HasSubstr("away.xml' cannot be used")));
    write_file_durably(store.file("late"), "put here by hand", 0600);
    store.save("late", "late 1", true);
    EXPECT_EQ(text(definitions / "late.xml.broken"), "put here by hand");
    EXPECT_THAT(refusal([&] { store.save("large", std::string(largest_definition + 1, 'x'), true); }),
                HasSubstr("at most"));
    EXPECT_FALSE(fs::exists(store.file("large")));
}

TEST_F(DefinitionStoreTest, a_folder_in_the_place_of_a_link_is_no_autostart_and_is_set_aside) {
    for (const bool on : {true, false}) {
        store.save("a", "a 1", true);
        fs::create_directories(links / "a.xml/below");
        EXPECT_FALSE(store.autostarts("a"));
        store.set_autostart("a", on);
        EXPECT_EQ(store.autostarts("a"), on);
        store.remove("a");
    }
    EXPECT_TRUE(fs::exists(links / "a.xml.broken/below"));
    EXPECT_EQ(store.damage().size(), 2u);
}

TEST_F(DefinitionStoreTest, what_has_the_name_of_a_link_means_autostart_and_goes_with_it) {
    store.save("copied", "copied 1", true);
    store.save("elsewhere", "elsewhere 2", true);
    write_file_durably(links / "copied.xml", "copied 1", 0600);
    fs::create_symlink("/nowhere", links / "elsewhere.xml");
    fs::create_symlink("/nowhere", links / "lone.xml");
    EXPECT_THAT(names(), ElementsAre("copied*", "elsewhere*"));
    EXPECT_FALSE(fs::is_symlink(links / "lone.xml"));
    for (const auto* name : {"copied", "elsewhere"}) {
        store.set_autostart(name, true);
        EXPECT_TRUE(store.autostarts(name));
        store.set_autostart(name, false);
    }
    EXPECT_THAT(names(), ElementsAre("copied", "elsewhere"));
}

TEST_F(DefinitionStoreTest, a_removal_that_fails_among_the_parts_leaves_the_definition) {
    store.save("a", "a 1", true);
    store.set_autostart("a", true);
    bool was_away = false;
    const auto fail = [&] {
        was_away = !fs::exists(store.file("a")) && fs::exists(store.going_file("a.going"));
        throw Error(ErrorCode::operation_failed, ErrorDomain::none, "a part stays");
    };
    EXPECT_THAT(refusal([&] { store.remove("a", "a.going", fail); }), HasSubstr("a part stays"));
    EXPECT_TRUE(was_away);
    EXPECT_THAT(names(), ElementsAre("a*"));
    store.remove("a", "a.going", [] {});
    EXPECT_TRUE(names().empty());
    EXPECT_THAT(names_in(definitions), ElementsAre("autostart"));
    EXPECT_TRUE(fs::is_empty(links));
}

TEST_F(DefinitionStoreTest, a_rename_takes_autostart_along_and_one_that_was_cut_off_keeps_the_new_name) {
    store.save("old", "old 1", true);
    store.set_autostart("old", true);
    store.rename("old", "new", "new 1", true);
    EXPECT_THAT(names(), ElementsAre("new*"));
    EXPECT_THAT(names_in(links), ElementsAre("new.xml"));
    write_file_durably(store.file("old"), "old 1", 0600);
    fs::last_write_time(store.file("old"), fs::file_time_type::clock::now() - std::chrono::hours(1));
    EXPECT_THAT(names(), ElementsAre("new*"));
    EXPECT_TRUE(fs::exists(definitions / "old.xml.broken"));
}

TEST_F(DefinitionStoreTest, a_rename_to_a_name_in_use_by_an_unreadable_file_has_not_happened) {
    store.save("old", "old 1", true);
    fs::create_symlink("/nowhere/mounted", store.file("new"));
    EXPECT_THAT(refusal([&] { store.rename("old", "new", "new 1", true); }), HasSubstr("cannot be read"));
    EXPECT_THAT(names(), ElementsAre("old"));
    EXPECT_TRUE(fs::is_empty(links));
}

TEST_F(DefinitionStoreTest, a_folder_that_is_a_file_is_an_error_and_an_absent_one_is_empty) {
    write_file_durably(folder / "file", "", 0600);
    const DefinitionStore none({folder / "absent", folder / "absent/autostart"}), file({folder / "file"});
    const auto key = [](const Pair& pair) { return pair.key; };
    EXPECT_TRUE(none.load(parse, key).complaints.empty());
    EXPECT_TRUE(none.damage().empty());
    EXPECT_NE(refusal([&] { file.prepare(); }), "none");
    const auto loaded = file.load(parse, key);
    EXPECT_TRUE(loaded.definitions.empty());
    EXPECT_EQ(loaded.complaints.size(), 1u);
    EXPECT_THAT(refusal([&] { file.save("a", "a 1", true); }), HasSubstr("is not a folder"));
    EXPECT_THAT(refusal([&] { (void)file.damage(); }), HasSubstr("cannot list"));
}

TEST_F(DefinitionStoreTest, on_a_full_disk_the_old_definition_stays) {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    std::optional<std::string> refused, kept, fresh;
    std::vector<std::string> left;
    // In a mount namespace of this thread alone.
    std::thread([&] {
        if (::unshare(CLONE_NEWNS) < 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0
            || ::mount("tmpfs", definitions.c_str(), "tmpfs", 0, "size=32k,mode=0700") < 0)
            return;
        store.save("a", "a 1", true);
        refused = refusal([&] { store.save("a", "a " + std::string(64u << 10, 'x'), false); });
        fresh = refusal([&] { store.save("b", "b " + std::string(64u << 10, 'x'), true); });
        kept = text(store.file("a"));
        left = names_in(definitions);
    }).join();
    if (!refused) GTEST_SKIP() << "nothing can be mounted here";
    EXPECT_THAT(*refused, HasSubstr("df -h"));
    EXPECT_THAT(fresh.value(), HasSubstr("No space left on device"));
    EXPECT_EQ(kept, "a 1");
    EXPECT_THAT(left, ElementsAre("a.xml"));
}

} // namespace domus
