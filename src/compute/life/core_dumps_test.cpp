// A guest that crashes again and again leaves a bounded number of dumps.
#include "compute/life/core_dumps.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::time_t first_second = 1'000'000'000; // 2001-09-09 01:46:40
constexpr ByteCount small_dump{4096};

struct CoreDumps : testing::Test {
    CoreDumps() {
        std::string name = "/tmp/domus-dumps-XXXXXX";
        root = ::mkdtemp(name.data());
        folder = root / "dump";
    }
    ~CoreDumps() override { fs::remove_all(root); }
    void dump(int second, unsigned kept) const {
        (void)open_core_dump(folder, "web", small_dump, kept, first_second + second);
    }
    fs::path root, folder;
};

} // namespace

TEST_F(CoreDumps, are_named_after_domain_and_time) {
    const auto dump = open_core_dump(folder, "web", small_dump, 3, first_second);
    EXPECT_EQ(dump.path, folder / "web-2001-09-09-01-46-40.core");
    write_all(dump.fd.get(), "x", dump.path);
    EXPECT_EQ(read_file(dump.path, 10), "x");
    EXPECT_TRUE(is_core_dump("web-2001-09-09-01-46-40.core", "web"));
    for (const auto* other :
         {"web-2-2001-09-09-01-46-40.core", "web-2001-09-09-01-46-4x.core", "web-2001-09-09-01-46-40.cord",
          "wob-2001-09-09-01-46-40.core", "web2001-09-09-01-46-40.core", "web"})
        EXPECT_FALSE(is_core_dump(other, "web")) << other;
}

TEST_F(CoreDumps, go_when_there_are_too_many_the_oldest_first) {
    ensure_directory(folder, 0700);
    write_file_durably(folder / "web-2-2001-09-09-01-46-40.core", "of the domain 'web-2'", 0600);
    for (int second = 0; second < 5; ++second) dump(second, 3);
    EXPECT_EQ(names_in(folder),
              (std::vector<std::string>{"web-2-2001-09-09-01-46-40.core", "web-2001-09-09-01-46-42.core",
                                        "web-2001-09-09-01-46-43.core", "web-2001-09-09-01-46-44.core"}));
    dump(5, 1);
    EXPECT_EQ(names_in(folder),
              (std::vector<std::string>{"web-2-2001-09-09-01-46-40.core", "web-2001-09-09-01-46-45.core"}));
}

TEST_F(CoreDumps, stay_when_the_disk_has_no_room_for_another) {
    dump(0, 1);
    EXPECT_THROW((void)open_core_dump(folder, "web", ByteCount::gib(1u << 30), 1, first_second + 1), Error);
    EXPECT_EQ(names_in(folder), std::vector<std::string>{"web-2001-09-09-01-46-40.core"});
}

TEST_F(CoreDumps, leave_a_part_of_the_disk_free) {
    EXPECT_EQ(kept_free(ByteCount::gib(20)), ByteCount::gib(2));
    EXPECT_EQ(kept_free(ByteCount::gib(5000)), ByteCount::gib(10));
}

} // namespace domus::compute
