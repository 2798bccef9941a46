// A guest is found by whatever witness is left, and what merely looks like one is left alone.
#include "compute/life/found_guests.hpp"

#include "format/xml.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

struct FoundGuestsTest : testing::Test {
    FoundGuestsTest() {
        std::string name = "/tmp/domus-found-XXXXXX";
        root = ::mkdtemp(name.data());
        store.emplace(Folders{root / "qemu", root / "qemu/autostart", root / "run", root / "lib", root / "log"});
        store->prepare();
        folder = root / "lib/domain-7-web";
        ensure_directory(folder, 0700);
    }
    ~FoundGuestsTest() override { fs::remove_all(root); }

    /// A process that inherits the folder's lock, as QEMU does. It stands still.
    Process guest(std::vector<std::string> options = {"-name", "guest=web,debug-threads=on"}) {
        Command command("sh");
        command.arguments = {"-c", "kill -STOP $$", "sh"};
        command.arguments.insert(command.arguments.end(), options.begin(), options.end());
        command.pass(acquire_run_lock(folder));
        return Process::spawn(command);
    }
    RunRecord record(const Process& process) const {
        RunRecord record;
        record.state = 1;
        record.pid = process.pid();
        record.start_time = process.start_time();
        record.folder = folder.string();
        record.domain.name = "web";
        record.domain.uuid = Uuid::random();
        record.domain.id = 7;
        return record;
    }
    void write(const RunRecord& record) const {
        store->save_record("web", folder, format::to_xml(record, {.live = true}));
    }
    void drop_record() const { store->remove_record("web"); }
    int found_pid() const {
        const auto found = find_guests(*store);
        return found.guests.size() == 1 && found.guests[0].process ? found.guests[0].process->pid() : 0;
    }

    fs::path root, folder;
    std::optional<Store> store;
};

} // namespace

TEST_F(FoundGuestsTest, by_its_record) {
    auto process = guest();
    write(record(process));
    EXPECT_EQ(found_pid(), process.pid());
}

TEST_F(FoundGuestsTest, though_pid_or_start_time_are_wrong_or_were_never_written) {
    auto process = guest();
    auto wrong = record(process);
    for (const auto& [pid, start] :
         {std::pair{0, std::uint64_t{0}}, {1, std::uint64_t{5}}, {process.pid(), std::uint64_t{5}}}) {
        wrong.pid = pid;
        wrong.start_time = start;
        write(wrong);
        EXPECT_EQ(found_pid(), process.pid()) << pid;
    }
}

TEST_F(FoundGuestsTest, not_in_what_it_has_started_and_left) {
    auto child = guest({});
    auto gone = record(child);
    for (const auto& [pid, start] : {std::pair{1, std::uint64_t{5}}, {0, std::uint64_t{0}}}) {
        gone.pid = pid;
        gone.start_time = start;
        write(gone);
        const auto found = find_guests(*store);
        ASSERT_EQ(found.guests.size(), 1u);
        EXPECT_FALSE(found.guests[0].process);
        ASSERT_EQ(found.guests[0].others.size(), 1u);
        EXPECT_EQ(found.guests[0].others[0].pid(), child.pid());
    }
}

TEST_F(FoundGuestsTest, by_the_copy_in_its_folder) {
    auto process = guest();
    write(record(process));
    drop_record();
    EXPECT_EQ(found_pid(), process.pid());
    std::ofstream(root / "run/web.xml") << "<domstatus state='1'><dom"; // cut off
    EXPECT_EQ(found_pid(), process.pid());
}

TEST_F(FoundGuestsTest, as_a_stray_when_no_record_can_be_read_and_its_folder_stays) {
    auto process = guest({"-name", "guest=web,debug-threads=on", "-uuid", "3e3fce45-4f53-4fa7-bb32-11f34168b82b"});
    std::ofstream(folder / "record.xml") << "x";
    const auto found = find_guests(*store);
    EXPECT_TRUE(found.guests.empty());
    ASSERT_EQ(found.strays.size(), 1u);
    EXPECT_EQ(found.strays[0].process->pid(), process.pid());
    EXPECT_EQ(found.strays[0].name, "web");
    EXPECT_EQ(found.strays[0].uuid, "3e3fce45-4f53-4fa7-bb32-11f34168b82b");
    EXPECT_TRUE(found.strays[0].others.empty());
    EXPECT_EQ(found.last_id, 7);
    EXPECT_TRUE(fs::exists(folder));
}

TEST_F(FoundGuestsTest, not_in_a_process_that_only_has_its_files_open) {
    {
        auto process = guest();
    }
    Command tail("tail");
    tail.arguments = {"-f", (folder / "lock").string()};
    auto reader = Process::spawn(tail);
    auto gone = record(reader);
    gone.pid = 0;
    write(gone);
    const auto found = find_guests(*store);
    ASSERT_EQ(found.guests.size(), 1u);
    EXPECT_FALSE(found.guests[0].process);
    EXPECT_TRUE(found.strays.empty());
    EXPECT_FALSE(reader.poll());
}

TEST_F(FoundGuestsTest, and_folders_without_a_process_go) {
    {
        auto process = guest();
    }
    ensure_directory(root / "lib/domain-8-empty", 0700);
    ensure_directory(root / "lib/nvram", 0700);
    EXPECT_TRUE(find_guests(*store).guests.empty());
    EXPECT_FALSE(fs::exists(folder));
    EXPECT_FALSE(fs::exists(root / "lib/domain-8-empty"));
    EXPECT_TRUE(fs::exists(root / "lib/nvram"));
}

TEST_F(FoundGuestsTest, and_what_is_left_of_folders_goes_though_the_lock_has_gone) {
    const auto elsewhere = root / "home";
    ensure_directory(elsewhere / "kept", 0700);
    for (const auto* part : {"root", "guest/deep"}) ensure_directory(folder / part, 0700);
    fs::create_directory_symlink(elsewhere, folder / "guest/link");
    std::ofstream(folder / "record.xml") << "<domstatus";
    (void)find_guests(*store);
    EXPECT_FALSE(fs::exists(folder));
    EXPECT_TRUE(fs::exists(elsewhere / "kept"));
}

TEST_F(FoundGuestsTest, and_folders_without_a_lock_stay_while_somebody_may_use_them_or_has_made_them) {
    auto process = guest();
    fs::remove(folder / "lock");
    const auto other = root / "lib/domain-other", link = root / "lib/domain-9-link",
               not_a_file = root / "lib/domain-10-lock";
    ensure_directory(other / "guest", 0700);
    ensure_directory(not_a_file / "lock", 0700);
    fs::create_directory_symlink(other, link);
    ensure_directory(folder / "guest", 0700);
    EXPECT_EQ(find_guests(*store).complaints.size(), 3u);
    for (const auto& stays : {folder / "guest", other / "guest", link, not_a_file / "lock"})
        EXPECT_TRUE(fs::exists(stays)) << stays;
    process.signal(SIGKILL);
    while (!process.poll()) continue;
    EXPECT_EQ(find_guests(*store).complaints.size(), 2u);
    EXPECT_FALSE(fs::exists(folder));
}

TEST_F(FoundGuestsTest, and_a_folder_without_a_lock_stays_while_the_process_of_its_record_runs) {
    Command command("sh");
    command.arguments = {"-c", "kill -STOP $$", "sh"};
    auto process = Process::spawn(command);
    write(record(process));
    drop_record();
    EXPECT_EQ(find_guests(*store).complaints.size(), 1u);
    EXPECT_TRUE(fs::exists(folder / "record.xml"));
}

TEST_F(FoundGuestsTest, and_a_folder_of_another_user_stays) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    constexpr uid_t another = 65534;
    ensure_directory(folder / "guest", 0700);
    ASSERT_EQ(::chown(folder.c_str(), another, another), 0);
    (void)find_guests(*store);
    EXPECT_TRUE(fs::exists(folder / "guest"));
}

TEST_F(FoundGuestsTest, and_a_record_names_no_folder_elsewhere) {
    const auto elsewhere = root / "home";
    ensure_directory(elsewhere, 0700);
    auto process = guest();
    auto forged = record(process);
    forged.folder = elsewhere.string();
    store->save_record("web", folder, format::to_xml(forged, {.live = true}));
    const auto found = find_guests(*store);
    ASSERT_EQ(found.guests.size(), 1u); // by the lock and the copy, whose own place counts
    EXPECT_EQ(found.guests[0].record->folder, folder.string());
    EXPECT_TRUE(fs::exists(elsewhere));
}

TEST_F(FoundGuestsTest, and_nothing_starts_in_a_folder_that_a_process_has) {
    auto process = guest();
    EXPECT_THROW((void)acquire_run_lock(folder), Error);
}

} // namespace domus::compute
