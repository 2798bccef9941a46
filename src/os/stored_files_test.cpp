#include "os/stored_files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

namespace domus {

namespace fs = std::filesystem;
using testing::HasSubstr;

namespace {

constexpr std::size_t limit = 100;

struct StoredFiles : testing::Test {
    StoredFiles() {
        std::string name = "/tmp/domus-stored-XXXXXX";
        root = ::mkdtemp(name.data());
    }
    ~StoredFiles() override { fs::remove_all(root); }

    void write(const std::string& name, std::string_view text) const { write_file_durably(root / name, text, 0600); }

    /// The names of what is loaded; texts that begin with "bad" are broken.
    std::vector<std::string> load() {
        StoredFolder folder(root, limit);
        std::vector<std::string> names;
        const auto make = [](const std::string&, const std::string& text) {
            if (text.starts_with("bad") || text.empty())
                throw Error(ErrorCode::xml_error, ErrorDomain::none, "it is bad");
            return text;
        };
        for (const auto& [name, text] : folder.load(make)) names.push_back(name);
        complaints = folder.complaints();
        return names;
    }

    fs::path root;
    std::vector<Complaint> complaints;
};

} // namespace

TEST_F(StoredFiles, links_of_what_is_gone_go_too) {
    write("kept.xml", "kept");
    write("aside.xml.broken", "bad");
    const auto links = root / "autostart";
    fs::create_directory(links);
    for (const auto* name : {"kept.xml", "aside.xml", "gone.xml"}) fs::create_symlink(root / name, links / name);
    StoredFolder(root, limit).remove_lone_links(links);
    EXPECT_EQ(names_in(links), (std::vector<std::string>{"aside.xml", "kept.xml"}));
}

TEST_F(StoredFiles, what_is_broken_is_set_aside_whole_and_the_rest_is_loaded) {
    write("good.xml", "good");
    write("bad.xml", "bad");
    write("empty.xml", "");
    write("large.xml", std::string(limit + 1, 'x'));
    write("fits.xml", std::string(limit, 'x'));
    ASSERT_EQ(::mkfifo((root / "fifo.xml").c_str(), 0600), 0);
    fs::create_directories(root / "folder.xml/below");
    fs::create_symlink("loop.xml", root / "loop.xml");
    fs::create_symlink("/dev/zero", root / "device.xml");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (root / "socket.xml").string().copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_THAT(load(), testing::UnorderedElementsAre("good", "fits"));
    EXPECT_EQ(complaints.size(), 8u);
    for (const auto& complaint : complaints) {
        EXPECT_EQ(complaint.file, root / (complaint.name + ".xml.broken"));
        EXPECT_TRUE(fs::exists(fs::symlink_status(complaint.file)));
        EXPECT_THAT(complaint.text, HasSubstr("set aside"));
    }
    EXPECT_TRUE(fs::exists(root / "folder.xml.broken/below"));
    EXPECT_THAT(load(), testing::UnorderedElementsAre("good", "fits"));
    EXPECT_TRUE(complaints.empty());
}

TEST_F(StoredFiles, what_was_set_aside_before_is_not_overwritten) {
    for (const auto* text : {"bad one", "bad two", "bad three"}) {
        write("x.xml", text);
        EXPECT_TRUE(load().empty());
    }
    EXPECT_EQ(read_file(root / "x.xml.broken", limit), "bad one");
    EXPECT_EQ(read_file(root / "x.xml.broken-2", limit), "bad two");
    EXPECT_EQ(read_file(root / "x.xml.broken-3", limit), "bad three");
    for (const auto* name : {"y.xml.broken.xml", "z.broken", "a.xml.broken2.xml"}) write(name, "good");
    EXPECT_EQ(StoredFolder(root, limit).aside().size(), 3u);
}

TEST_F(StoredFiles, what_cannot_be_read_now_stays_and_is_not_written_over) {
    fs::create_symlink("/proc/self/mem", root / "eio.xml"); // a regular file whose first page is not there
    fs::create_symlink("/nowhere/mounted", root / "away.xml");
    const bool root_runs_this = ::getuid() == 0;
    if (root_runs_this) {
        write("theirs", "good");
        ASSERT_EQ(::chown((root / "theirs").c_str(), 12345, 12345), 0);
        fs::create_symlink("theirs", root / "link.xml");
    }
    EXPECT_TRUE(load().empty());
    EXPECT_EQ(complaints.size(), root_runs_this ? 3u : 2u);
    EXPECT_EQ(StoredFolder(root, limit).unusable().size(), complaints.size());
    for (const auto& complaint : complaints) {
        EXPECT_TRUE(fs::is_symlink(root / (complaint.name + ".xml")));
        EXPECT_THROW(StoredFolder(root, limit).save(complaint.name, "new", true), Error);
    }
}

TEST_F(StoredFiles, files_of_others_count_only_where_only_we_may_write) {
    if (::getuid() != 0) GTEST_SKIP() << "giving a file away needs root";
    write("theirs.xml", "good");
    ASSERT_EQ(::chown((root / "theirs.xml").c_str(), 12345, 12345), 0);
    EXPECT_EQ(load().size(), 1u);
    fs::permissions(root, fs::perms::all);
    EXPECT_TRUE(load().empty());
    EXPECT_THAT(complaints.at(0).text, HasSubstr("uid 12345"));
    EXPECT_TRUE(fs::exists(root / "theirs.xml"));
}

TEST_F(StoredFiles, a_link_of_ours_to_a_file_of_ours_is_followed) {
    write("elsewhere", "good");
    fs::create_symlink(root / "elsewhere", root / "link.xml");
    EXPECT_EQ(load(), std::vector<std::string>{"link"});
    EXPECT_TRUE(complaints.empty());
}

TEST_F(StoredFiles, the_oldest_of_several_with_one_key_stays) {
    for (const auto* name : {"b.xml", "a.xml", "c.xml"}) write(name, "good");
    fs::last_write_time(root / "b.xml", fs::file_time_type::clock::now() - std::chrono::hours(1));
    StoredFolder folder(root, limit);
    auto loaded = folder.load([](const std::string&, const std::string& text) { return text; });
    folder.require_unique(loaded, [](const std::string& text) { return text; });
    ASSERT_EQ(loaded.size(), 1u);
    EXPECT_EQ(loaded[0].name, "b");
    EXPECT_EQ(folder.complaints().size(), 2u);
    EXPECT_TRUE(fs::exists(root / "a.xml.broken"));
}

TEST_F(StoredFiles, temporary_files_of_a_killed_writer_go_and_those_in_use_stay) {
    for (const auto* name : {".domus-abcDEF.new", ".domus-busy00.new", ".domus-short.new", "good.xml"})
        write(name, "good");
    const UniqueFd writer(::open((root / ".domus-busy00.new").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
    EXPECT_EQ(load().size(), 1u);
    EXPECT_EQ(names_in(root), (std::vector<std::string>{".domus-busy00.new", ".domus-short.new", "good.xml"}));
}

TEST_F(StoredFiles, names_of_the_greatest_length_are_written_and_set_aside) {
    std::string name;
    while (name.size() + 3 <= 251) name += "\u4e2d";
    write(name + ".xml", "bad");
    EXPECT_TRUE(load().empty());
    ASSERT_EQ(complaints.size(), 1u);
    EXPECT_EQ(read_file(complaints[0].file, limit), "bad");
    EXPECT_LE(complaints[0].file.filename().string().size(), 255u);
}

TEST_F(StoredFiles, a_folder_that_is_none_is_reported_and_an_absent_one_is_empty) {
    root /= "x";
    EXPECT_TRUE(load().empty());
    EXPECT_TRUE(complaints.empty());
    root = root.parent_path();
    write("x", "");
    StoredFolder folder(root / "x", limit);
    EXPECT_TRUE(folder.load([](const std::string&, const std::string& text) { return text; }).empty());
    EXPECT_EQ(folder.complaints().size(), 1u);
}

} // namespace domus
