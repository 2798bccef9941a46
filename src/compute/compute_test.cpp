// What of compute needs no guest: cpusets, metadata, the store of definitions.
#include "compute/running.hpp"
#include "compute/store.hpp"
#include "compute/tuning.hpp"
#include "compute/xml.hpp"

#include "format/xml.hpp"
#include "os/files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

model::Domain domain_of(const std::string& name, std::string_view inside = "") {
    return format::from_xml<model::Domain>(fmt::format(
        "<domain type='qemu'><name>{}</name><uuid>{}</uuid><memory unit='MiB'>64</memory><os><type>hvm</type></os>{}</domain>", name, Uuid::random().text(), inside));
}

struct StoreTest : testing::Test {
    StoreTest() {
        std::string name = "/tmp/domus-store-XXXXXX";
        root = ::mkdtemp(name.data());
        store.emplace(Folders{root / "qemu", root / "qemu/autostart", root / "run", root / "lib", root / "log"});
        store->prepare();
    }
    ~StoreTest() override { fs::remove_all(root); }
    void save(const model::Domain& domain) { store->save(domain.name, make_definition(domain)->xml); }
    fs::path root;
    std::optional<Store> store;
};

} // namespace

TEST(Cpuset, ranges_and_exceptions) {
    EXPECT_EQ(parse_cpuset("0-3,^2,8"), (std::vector<unsigned>{0, 1, 3, 8}));
    EXPECT_EQ(parse_cpuset("5"), std::vector<unsigned>{5});
    for (const char* text : {"", "x", "1-", "3-1", "^1", "1;2", "99999"}) EXPECT_THROW(parse_cpuset(text), Error) << text;
}

TEST(Tuning, limits_that_are_not_enforced_are_refused_by_name) {
    EXPECT_NO_THROW(require_tunable(domain_of("a", "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>")));
    EXPECT_THROW(require_tunable(domain_of("a", "<memtune><hard_limit>1</hard_limit></memtune>")), Error);
    EXPECT_THROW(require_tunable(domain_of("a", "<cputune><quota>1000</quota></cputune>")), Error);
}

TEST(Metadata, elements_are_found_by_namespace_replaced_and_removed) {
    auto domain = domain_of("a", "<metadata>\n  <o:other xmlns:o='urn:o'>kept</o:other>\n</metadata>");
    set_metadata(domain, 2, "<app><x/></app>", "mine", "urn:mine");
    EXPECT_NE(domain.metadata->find("<mine:app xmlns:mine='urn:mine'><mine:x/></mine:app>"), std::string::npos) << *domain.metadata;
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
    store->remove("two");
    EXPECT_EQ(store->load().domains.size(), 1u);
    EXPECT_TRUE(fs::is_empty(root / "qemu/autostart"));
}

TEST_F(StoreTest, a_rename_that_was_cut_off_keeps_the_newer_name) {
    auto domain = domain_of("old");
    save(domain);
    fs::last_write_time(root / "qemu/old.xml", fs::file_time_type::clock::now() - std::chrono::hours(1));
    domain.name = "new";
    save(domain);
    const auto loaded = store->load();
    ASSERT_EQ(loaded.domains.size(), 1u);
    EXPECT_EQ(loaded.domains[0].ref.name, "new");
    EXPECT_EQ(loaded.complaints.size(), 1u);
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
    RunRecord record;
    record.pid = 42;
    record.start_time = 4711;
    record.folder = "/x";
    record.vcpu_threads = {43, 44};
    record.domain = domain_of("run");
    record.domain.id = 7;
    store->save_record("run", format::to_xml(record, {.live = true, .secrets = true}));
    const auto loaded = store->load_records();
    ASSERT_EQ(loaded.records.size(), 1u);
    EXPECT_EQ(loaded.records[0]->pid, 42);
    EXPECT_EQ(loaded.records[0]->vcpu_threads, (std::vector<int>{43, 44}));
    EXPECT_EQ(loaded.records[0]->domain.id, 7);
    store->remove_record("run");
    EXPECT_TRUE(store->load_records().records.empty());
}

} // namespace domus::compute
