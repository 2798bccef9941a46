#include "host/change_record.hpp"

#include "format/random_value.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"
#include "os/test_folder.hpp"

#include <gtest/gtest.h>

namespace domus::host {

struct Changes : FolderTest {
    void SetUp() override {
        std::filesystem::create_directories(folder / "etc");
        write_file_durably(folder / "etc/old", "as it was", 0640);
    }
    FilePlan plan() const {
        FilePlan files(folder);
        files.write("/etc/old", "changed");
        files.write("/etc/new/one", "new", 0600);
        return files;
    }
    ChangeStore store{folder / "state/interfaces", folder};
};

TEST_F(Changes, are_put_back_as_they_were) {
    ChangeRecord record;
    store.extend(record, plan(), {});
    store.write(plan(), {});
    EXPECT_EQ(read_file(folder / "etc/old", 100), "changed");
    EXPECT_EQ(read_file(folder / "etc/new/one", 100), "new");
    EXPECT_EQ(std::filesystem::status(folder / "etc/old").permissions(), std::filesystem::perms{0640});
    const auto found = store.load();
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, record);
    store.put_back(*found, {});
    store.put_back(*found, {}); // as after a second kill
    store.forget();
    EXPECT_EQ(read_file(folder / "etc/old", 100), "as it was");
    EXPECT_EQ(std::filesystem::status(folder / "etc/old").permissions(), std::filesystem::perms{0640});
    EXPECT_FALSE(std::filesystem::exists(folder / "etc/new/one"));
    EXPECT_FALSE(store.load());
}

TEST_F(Changes, keep_the_first_state_of_each_file) {
    ChangeRecord record;
    store.extend(record, plan(), {});
    store.write(plan(), {});
    FilePlan second(folder);
    second.write("/etc/old", "changed twice");
    store.extend(record, second, {});
    EXPECT_EQ(record.files.size(), 2u);
    store.write(second, {});
    store.put_back(record, {});
    EXPECT_EQ(read_file(folder / "etc/old", 100), "as it was");
}

TEST_F(Changes, whose_record_is_damaged_are_set_aside) {
    std::filesystem::create_directories(folder / "state/interfaces");
    write_file_durably(folder / "state/interfaces/change.xml", "<change", 0600);
    EXPECT_FALSE(store.load());
    EXPECT_TRUE(std::filesystem::exists(folder / "state/interfaces/change.xml.broken"));
}

TEST_F(Changes, are_equal_after_writing_and_reading) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        const auto value = format::RandomValue(seed).make<ChangeRecord>();
        const auto text = format::to_xml(value);
        EXPECT_EQ(format::from_xml<ChangeRecord>(text), value) << text;
    }
}

} // namespace domus::host
