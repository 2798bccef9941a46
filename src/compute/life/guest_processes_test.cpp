#include "compute/life/guest_processes.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace domus::compute {

TEST(GuestProcesses, a_record_names_no_control_group_but_its_guests_own) {
    Settings settings;
    settings.cgroup_parent = "/sys/fs/cgroup/vm";
    const std::string folder = "/var/lib/domus/qemu/domain-3-web";
    const auto own = group_of(settings, folder);
    EXPECT_TRUE(own.starts_with("/sys/fs/cgroup/vm/domus-")) << own;
    EXPECT_EQ(recorded_group(own, folder), own);
    for (const std::string other :
         {"/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/", "", "/sys/fs/cgroup/vm/domus-0-domain-3-web"})
        EXPECT_EQ(recorded_group(other, folder), "");
    EXPECT_EQ(recorded_group(own, "/var/lib/domus/qemu/domain-4-web"), "");
    EXPECT_EQ(recorded_group(own, "/srv/other/qemu/domain-3-web"), "") << "another daemon's";
    EXPECT_EQ(group_of({}, folder), "");
}

TEST(GuestProcesses, empty_control_groups_of_its_guests_go) {
    Settings settings;
    settings.cgroup_parent = testing::TempDir() + "groups-" + std::to_string(::getpid());
    const std::filesystem::path library = "/var/lib/domus/qemu";
    const std::filesystem::path empty = group_of(settings, library / "domain-3-web"),
                                used = group_of(settings, library / "domain-4-db"),
                                foreign = group_of(settings, "/srv/other/qemu/domain-3-web");
    for (const auto& each : {empty, used / "inner", foreign}) std::filesystem::create_directories(each);
    remove_empty_groups(settings, library);
    EXPECT_FALSE(std::filesystem::exists(empty));
    EXPECT_TRUE(std::filesystem::exists(used));
    EXPECT_TRUE(std::filesystem::exists(foreign));
    std::filesystem::remove_all(settings.cgroup_parent);
}

} // namespace domus::compute
