// What of compute needs no guest: cpusets, metadata, the store of definitions.
#include "compute/domain/running.hpp"
#include "compute/domain/store.hpp"
#include "compute/domain/xml.hpp"
#include "compute/memory/saved_definition.hpp"
#include "compute/statistics/statistics.hpp"
#include "compute/tuning/tuning.hpp"

#include "format/xml.hpp"
#include "os/files.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

model::Domain domain_of(const std::string& name, std::string_view inside = "") {
    return format::from_xml<model::Domain>(fmt::format("<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory "
                                                       "unit='MiB'>64</memory><os><type>hvm</type></os>{}</domain>",
                                                       name, Uuid::random().text(), inside));
}

struct StoreTest : testing::Test {
    StoreTest() {
        std::string name = "/tmp/domus-store-XXXXXX";
        root = ::mkdtemp(name.data());
        store.emplace(Folders{root / "qemu", root / "qemu/autostart", root / "run", root / "lib", root / "log"});
        store->prepare();
    }
    ~StoreTest() override { fs::remove_all(root); }
    void save(const model::Domain& domain) { store->save(domain.name, make_definition(domain)->xml, true); }
    /// Files and folders of the definitions, without the folder of autostart links.
    std::vector<std::string> files() const {
        auto names = names_in(root / "qemu");
        std::erase(names, "autostart");
        return names;
    }
    std::string refusal_to_save(const std::string& name, const std::string& xml) const {
        try {
            store->save(name, xml, true);
        } catch (const Error& error) {
            return error.text();
        }
        return "";
    }
    RunRecord record_of(const std::string& name) const {
        RunRecord record;
        record.pid = 42;
        record.start_time = 4711;
        record.folder = (root / "lib" / ("domain-7-" + name)).string();
        record.vcpu_threads = {43, 44};
        record.domain = domain_of(name);
        record.domain.id = 7;
        return record;
    }
    void write_record(const std::string& name, const std::string& xml) const {
        StoredFolder(root / "run", largest_record).replace(name, xml);
    }
    static std::string xml_of(const RunRecord& record) {
        return format::to_xml(record, {.live = true, .secrets = true});
    }
    fs::path root;
    std::optional<Store> store;
};

} // namespace

TEST(SavedDefinition, has_its_trays_in_the_memory) {
    const auto with_drive = [](std::optional<model::Tray> tray) {
        model::Domain domain;
        auto& disk = domain.devices.disks.emplace_back();
        disk.device = model::DiskDevice::cdrom;
        disk.target.dev = "sda";
        disk.target.tray = tray;
        return domain;
    };
    const auto open = with_drive(model::Tray::open), closed = with_drive(std::nullopt);
    EXPECT_TRUE(same_machine(open, closed));
    auto wanted = closed;
    adopt_trays(wanted.devices, open.devices);
    EXPECT_EQ(wanted.devices.disks[0].target.tray, model::Tray::open);
    adopt_trays(wanted.devices, closed.devices);
    EXPECT_FALSE(wanted.devices.disks[0].target.tray);
    wanted = open;
    adopt_trays(wanted.devices, model::Domain().devices);
    EXPECT_FALSE(wanted.devices.disks[0].target.tray);
}

TEST(Cpuset, ranges_and_exceptions) {
    EXPECT_EQ(parse_cpuset("0-3,^2,8"), (std::vector<unsigned>{0, 1, 3, 8}));
    EXPECT_EQ(parse_cpuset("5"), std::vector<unsigned>{5});
    for (const char* text : {"", "x", "1-", "3-1", "^1", "1;2", "99999"})
        EXPECT_THROW(parse_cpuset(text), Error) << text;
}

TEST(Tuning, limits_that_are_not_enforced_are_refused_by_name) {
    EXPECT_NO_THROW(require_supported(domain_of("a", "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>")));
    EXPECT_THROW(require_supported(domain_of("a", "<memtune><hard_limit>1</hard_limit></memtune>")), Error);
    EXPECT_THROW(require_supported(domain_of("a", "<cputune><quota>1000</quota></cputune>")), Error);
}

TEST(Metadata, elements_are_found_by_namespace_replaced_and_removed) {
    auto domain = domain_of("a", "<metadata>\n  <o:other xmlns:o='urn:o'>kept</o:other>\n</metadata>");
    set_metadata(domain, 2, "<app><x/></app>", "mine", "urn:mine");
    EXPECT_NE(domain.metadata->find("<mine:app xmlns:mine='urn:mine'><mine:x/></mine:app>"), std::string::npos)
        << *domain.metadata;
    EXPECT_NE(domain.metadata->find("kept"), std::string::npos);
    set_metadata(domain, 2, "<app>new</app>", "mine", "urn:mine");
    EXPECT_EQ(domain.metadata->find("mine:x"), std::string::npos);
    set_metadata(domain, 2, std::nullopt, "mine", "urn:mine");
    EXPECT_EQ(domain.metadata->find("mine"), std::string::npos);
    EXPECT_THROW(set_metadata(domain, 2, "no xml", "mine", "urn:mine"), Error);
    EXPECT_THROW(set_metadata(domain, 2, "<app x='1' x='2'/>", "mine", "urn:mine"), Error);
    set_metadata(domain, 1, "a title", "", "");
    EXPECT_EQ(domain.title, "a title");
    EXPECT_THROW(set_metadata(domain, 1, "two\nlines", "", ""), Error);
}

TEST_F(StoreTest, gives_back_what_was_saved) {
    save(domain_of("one"));
    save(domain_of("two"));
    store->set_autostart("two", true);
    const auto loaded = store->load();
    ASSERT_EQ(loaded.domains.size(), 2u);
    EXPECT_TRUE(loaded.complaints.empty());
    for (const auto& domain : loaded.domains) EXPECT_EQ(domain.autostart, domain.ref.name == "two");
    store->remove("two", Uuid{}, {});
    EXPECT_EQ(store->load().domains.size(), 1u);
    EXPECT_TRUE(fs::is_empty(root / "qemu/autostart"));
}

TEST_F(StoreTest, a_folder_in_the_place_of_an_autostart_link_is_set_aside) {
    const auto link = root / "qemu/autostart/one.xml";
    for (const bool on : {true, false}) {
        save(domain_of("one"));
        fs::create_directories(link / "below");
        store->set_autostart("one", on);
        EXPECT_EQ(fs::is_symlink(link), on);
        store->remove("one", {}, {});
        EXPECT_FALSE(fs::exists(fs::symlink_status(link)));
    }
    EXPECT_TRUE(fs::exists(root / "qemu/autostart/one.xml.broken/below"));
}

TEST_F(StoreTest, a_definition_that_cannot_go_stays) {
    save(domain_of("one"));
    fs::create_directories(store->variables_path("one") / "below"); // no file that can be removed
    EXPECT_THROW(store->remove("one", {}, {.variables = true}), Error);
    EXPECT_EQ(files(), std::vector<std::string>{"one.xml"});
}

TEST_F(StoreTest, an_undefine_that_was_cut_off_among_the_parts_is_finished) {
    const auto domain = domain_of("one");
    save(domain);
    store->set_autostart("one", true);
    const auto kept = store->variables_path("one"), gone = store->managed_save_path("one");
    for (const auto& path : {kept, gone}) {
        fs::create_directories(path.parent_path());
        write_file_durably(path, "part", 0600);
    }
    fs::rename(root / "qemu/one.xml", root / "qemu" / (domain.uuid->text() + ".undefinedns"));
    EXPECT_TRUE(store->load().domains.empty());
    EXPECT_TRUE(files().empty());
    EXPECT_TRUE(fs::is_empty(root / "qemu/autostart"));
    EXPECT_TRUE(fs::exists(kept));
    EXPECT_FALSE(fs::exists(gone));
}

TEST_F(StoreTest, a_rename_that_is_refused_has_not_happened_after_a_restart) {
    auto domain = domain_of("old");
    save(domain);
    store->set_autostart("old", true);
    const auto file = root / "qemu/old.xml", aside = root / "old.xml";
    fs::rename(file, aside);
    fs::create_directories(file / "below"); // keeps the old definition from going
    domain.name = "new";
    EXPECT_THROW(store->rename("old", "new", make_definition(domain)->xml, true), Error);
    EXPECT_EQ(fs::read_symlink(root / "qemu/autostart/old.xml"), root / "qemu/old.xml");
    EXPECT_FALSE(fs::exists(fs::symlink_status(root / "qemu/autostart/new.xml")));
    fs::remove_all(file);
    fs::rename(aside, file);
    EXPECT_EQ(files(), std::vector<std::string>{"old.xml"});
    EXPECT_EQ(store->load().domains.at(0).ref.name, "old");
}

TEST_F(StoreTest, a_rename_that_was_cut_off_keeps_the_new_name) {
    auto domain = domain_of("old");
    save(domain);
    const auto before = read_file(root / "qemu/old.xml", largest_definition);
    domain.name = "new";
    store->rename("old", "new", make_definition(domain)->xml, false);
    EXPECT_EQ(files(), std::vector<std::string>{"new.xml"});
    write_file_durably(root / "qemu/old.xml", before, 0600);
    fs::last_write_time(root / "qemu/old.xml", fs::file_time_type::clock::now() - std::chrono::hours(1));
    const auto loaded = store->load();
    ASSERT_EQ(loaded.domains.size(), 1u);
    EXPECT_EQ(loaded.domains[0].ref.name, "new");
    ASSERT_EQ(loaded.complaints.size(), 1u);
    EXPECT_EQ(read_file(loaded.complaints[0].file, largest_definition), before);
}

TEST_F(StoreTest, the_variables_of_uefi_get_the_new_name) {
    auto domain = domain_of("old");
    save(domain);
    const auto old_name = store->variables_path("old"), new_name = store->variables_path("new");
    fs::create_directories(old_name.parent_path());
    write_file_durably(old_name, "boot order", 0600);
    write_file_durably(new_name, "of another", 0600);
    domain.name = "new";
    EXPECT_THROW(store->rename("old", "new", make_definition(domain)->xml, false), Error);
    EXPECT_EQ(read_file(new_name, 100), "of another");
    fs::remove(new_name);
    store->rename("old", "new", make_definition(domain)->xml, false);
    EXPECT_EQ(read_file(new_name, 100), "boot order");
    EXPECT_FALSE(fs::exists(old_name));
    // Cut off: the name that no domain has goes.
    fs::create_hard_link(new_name, old_name);
    EXPECT_EQ(store->load().domains.size(), 1u);
    EXPECT_FALSE(fs::exists(old_name));
    EXPECT_TRUE(fs::exists(new_name));
}

TEST_F(StoreTest, a_copy_with_the_same_uuid_is_set_aside_and_the_original_stays) {
    auto domain = domain_of("original");
    save(domain);
    fs::last_write_time(root / "qemu/original.xml", fs::file_time_type::clock::now() - std::chrono::hours(1));
    domain.name = "copy";
    save(domain);
    fs::copy_file(root / "qemu/original.xml", root / "qemu/other.xml");
    const auto loaded = store->load();
    ASSERT_EQ(loaded.domains.size(), 1u);
    EXPECT_EQ(loaded.domains[0].ref.name, "original");
    EXPECT_EQ(loaded.complaints.size(), 2u);
    EXPECT_EQ(files(), (std::vector<std::string>{"copy.xml.broken", "original.xml", "other.xml.broken"}));
}

TEST_F(StoreTest, a_definition_that_could_not_be_read_again_is_refused) {
    auto domain = domain_of("large");
    domain.description = std::string(largest_definition, 'x');
    EXPECT_NE(refusal_to_save("large", make_definition(domain)->xml).find("at most 4194304"), std::string::npos);
    EXPECT_TRUE(files().empty());
}

TEST_F(StoreTest, nothing_is_written_over_what_was_not_read) {
    write_file_durably(root / "qemu/late.xml", "put here by hand", 0600);
    save(domain_of("late"));
    EXPECT_EQ(read_file(root / "qemu/late.xml.broken", 100), "put here by hand");
    fs::create_symlink("/nowhere/mounted", root / "qemu/away.xml");
    EXPECT_EQ(store->load().complaints.size(), 1u);
    EXPECT_NE(refusal_to_save("away", "<domain/>").find("cannot be read"), std::string::npos);
    EXPECT_TRUE(fs::is_symlink(root / "qemu/away.xml"));
}

TEST_F(StoreTest, files_that_are_no_definitions_are_set_aside_whole) {
    save(domain_of("good"));
    write_file_durably(root / "qemu/bad.xml", "<domain>", 0600);
    write_file_durably(root / "qemu/liar.xml", make_definition(domain_of("other"))->xml, 0600);
    const auto loaded = store->load();
    EXPECT_EQ(loaded.domains.size(), 1u);
    EXPECT_EQ(loaded.complaints.size(), 2u);
    EXPECT_EQ(read_file(root / "qemu/bad.xml.broken", 100), "<domain>");
    EXPECT_TRUE(fs::exists(root / "qemu/liar.xml.broken"));
}

TEST_F(StoreTest, records_of_running_domains_come_back) {
    const auto record = record_of("run");
    ensure_directory(record.folder, 0700);
    store->save_record("run", record.folder, xml_of(record));
    const auto loaded = store->load_records();
    ASSERT_EQ(loaded.records.size(), 1u);
    EXPECT_EQ(loaded.records[0]->pid, 42);
    EXPECT_EQ(loaded.records[0]->vcpu_threads, (std::vector<int>{43, 44}));
    EXPECT_EQ(loaded.records[0]->domain.id, 7);
    store->remove_record("run");
    EXPECT_TRUE(store->load_records().records.empty());
}

TEST_F(StoreTest, a_record_from_which_nothing_can_be_found_is_set_aside_under_its_name) {
    const auto write = [&](const std::string& name, const RunRecord& record) { write_record(name, xml_of(record)); };
    write("good", record_of("good"));
    auto record = record_of("no-uuid");
    record.domain.uuid.reset();
    write("no-uuid", record);
    record = record_of("no-id");
    record.domain.id.reset();
    write("no-id", record);
    record = record_of("elsewhere");
    record.folder = "/home/somebody";
    write("elsewhere", record);
    record = record_of("above");
    record.folder = (root / "lib").string();
    write("above", record);
    write("swapped", record_of("other"));
    const auto whole = xml_of(record_of("cut"));
    for (const auto* part : {"pid='42'", "started='4711'"}) {
        auto without = whole;
        without.erase(without.find(part), std::string_view(part).size());
        write_record(part, without);
    }
    write_record("cut", whole.substr(0, whole.size() / 2));
    const auto loaded = store->load_records();
    ASSERT_EQ(loaded.records.size(), 1u);
    EXPECT_EQ(loaded.records[0]->domain.name, "good");
    EXPECT_EQ(loaded.complaints.size(), 8u);
    for (const auto& complaint : loaded.complaints)
        EXPECT_EQ(complaint.file, root / "run" / (complaint.name + ".xml.broken"));
}

/// What damage makes of a record, at any place in it, ends nobody's start.
TEST_F(StoreTest, a_record_that_is_cut_or_has_a_flipped_bit_is_read_or_set_aside) {
    const auto whole = xml_of(record_of("one"));
    for (std::size_t at = 0; at < whole.size(); at += 7) {
        auto flipped = whole;
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
        for (const auto& damaged : {whole.substr(0, at), flipped}) {
            write_record("one", damaged);
            const auto loaded = store->load_records();
            ASSERT_EQ(loaded.records.size() + loaded.complaints.size(), 1u) << damaged;
            for (const auto& complaint : loaded.complaints) {
                EXPECT_EQ(read_file(complaint.file, largest_record), damaged);
                fs::remove(complaint.file);
            }
        }
    }
}

TEST_F(StoreTest, snapshots_that_are_each_others_parents_are_all_there) {
    for (const auto& [name, parent] :
         {std::pair("a", "b"), std::pair("b", "a"), std::pair("c", "b"), std::pair("d", "gone")}) {
        model::Snapshot snapshot;
        snapshot.name = name;
        snapshot.state = model::SnapshotState::shutoff;
        snapshot.parent = parent;
        store->save_snapshot("one", make_entry(snapshot), false);
    }
    ::mkfifo((root / "lib/snapshot/one/fifo.xml").c_str(), 0600);
    std::vector<Complaint> complaints;
    const auto tree = store->load_snapshots("one", complaints);
    EXPECT_EQ(tree.list(0).size(), 4u);
    ASSERT_EQ(complaints.size(), 1u);
    store->remove_snapshots("one");
    EXPECT_TRUE(fs::is_fifo(root / "lib/snapshot/one/fifo.xml.broken"));
    store->remove_snapshots("none");
    EXPECT_FALSE(fs::exists(root / "lib/snapshot/none"));
}

TEST_F(StoreTest, saved_memory_that_is_no_file_is_set_aside) {
    save(domain_of("one"));
    ensure_directory(root / "lib/save/one.save", 0700);
    const auto loaded = store->load();
    EXPECT_FALSE(loaded.domains.at(0).managed_save);
    EXPECT_EQ(loaded.complaints.size(), 1u);
    EXPECT_TRUE(fs::is_directory(root / "lib/save/one.save.broken"));
}

TEST_F(StoreTest, names_that_a_kill_left_in_the_middle_of_a_removal_go) {
    for (const auto* folder : {"lib", "lib/nvram", "lib/save"}) {
        ensure_directory(root / folder, 0700);
        write_file_durably(root / folder / ".domus-a1B2c3.new", "old", 0600);
    }
    store->prepare();
    for (const auto* folder : {"lib", "lib/nvram", "lib/save"})
        EXPECT_FALSE(fs::exists(root / folder / ".domus-a1B2c3.new")) << folder;
}

} // namespace domus::compute
