// What QEMU answers may be anything: a guest that has got hold of it answers too.
#include "engine/qemu/events.hpp"
#include "engine/qemu/statistics.hpp"
#include "engine/qemu/vcpus.hpp"
#include "format/xml.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace domus::engine::qemu {

namespace {

model::Domain domain_with_disk() {
    auto domain = format::from_xml<model::Domain>(
        "<domain type='qemu'><name>x</name><memory>1</memory><os><type>hvm</type></os><devices><disk type='file'>"
        "<source file='/a'/><target dev='vda' bus='virtio'/></disk></devices></domain>",
        ErrorDomain::domain);
    domain.devices.disks.front().alias = "virtio-disk0";
    return domain;
}

std::optional<MachineEvent> event_of(std::string_view name, std::string_view data) {
    return machine_event_of(name, json::parse(data).as_object());
}

} // namespace

TEST(Answers, a_domain_has_no_more_threads_than_vcpus) {
    const auto cpus = json::parse(R"([{"thread-id": 7}, {"thread-id": 8}])");
    EXPECT_EQ(threads_of(cpus, 2), (std::vector{7, 8}));
    EXPECT_THROW(threads_of(cpus, 1), Error);
}

TEST(Answers, statistics_of_disks_are_found_by_the_names_of_their_devices) {
    const auto domain = domain_with_disk();
    const auto answer = json::parse(R"([
        {"qdev": "/machine/peripheral/virtio-disk0/virtio-backend",
         "stats": {"rd_bytes": 512, "wr_operations": 3, "flush_total_time_ns": -1},
         "parent": {"stats": {"wr_highest_offset": 4096}}},
        {"qdev": "/machine/peripheral/other", "stats": {"rd_bytes": 1}},
        {"stats": {}}, 7])");
    const auto found = disk_statistics(domain.devices, answer);
    ASSERT_EQ(found.size(), 1u);
    const auto& disk = found.at("virtio-disk0");
    EXPECT_EQ(disk.read_bytes, 512u);
    EXPECT_EQ(disk.writes, 3u);
    EXPECT_EQ(disk.flush_ns, 0u);
    EXPECT_EQ(disk.highest_offset, 4096u);
}

TEST(Answers, more_drives_than_a_domain_can_have_are_none) {
    const auto domain = domain_with_disk();
    json::array many;
    for (int i = 0; i < 100; ++i)
        many.push_back({{"qdev", "/machine/peripheral/virtio-disk0/virtio-backend"}, {"stats", json::object{}}});
    EXPECT_TRUE(disk_statistics(domain.devices, many).empty());
    EXPECT_TRUE(disk_statistics(domain.devices, "nothing").empty());
}

TEST(Events, are_translated_whatever_is_missing_in_them) {
    const auto shutdown = event_of("SHUTDOWN", R"({"guest": true, "reason": "guest-reset"})");
    ASSERT_TRUE(shutdown);
    EXPECT_EQ(std::get<machine_event::ShutDown>(*shutdown).cause, machine_event::ShutdownCause::guest_reset);
    const auto host = event_of("SHUTDOWN", R"({"reason": "host-signal"})");
    EXPECT_EQ(std::get<machine_event::ShutDown>(*host).cause, machine_event::ShutdownCause::host);
    const auto error = event_of("BLOCK_IO_ERROR", R"({"qom-path": "/machine/peripheral/virtio-disk0/virtio-backend",
                                                     "device": "", "action": "stop", "nospace": true})");
    EXPECT_EQ(std::get<machine_event::IoError>(*error).action, machine_event::IoErrorAction::pause);
    EXPECT_TRUE(std::get<machine_event::IoError>(*error).no_space);
    EXPECT_EQ(std::get<machine_event::Watchdog>(*event_of("WATCHDOG", R"({"action": "inject-nmi"})")).action,
              WatchdogAction::inject_nmi);
    EXPECT_EQ(std::get<machine_event::Watchdog>(*event_of("WATCHDOG", R"({"action": 5})")).action,
              WatchdogAction::none);
    EXPECT_EQ(std::get<machine_event::BalloonChanged>(*event_of("BALLOON_CHANGE", R"({"actual": -5})")).bytes, 0u);
    EXPECT_EQ(std::get<machine_event::DeviceGone>(*event_of("DEVICE_DELETED", R"({"path": "/x"})")).device, "");
    EXPECT_FALSE(event_of("JOB_STATUS_CHANGE", "{}"));
    EXPECT_FALSE(event_of("NONSENSE", "{}"));
}

TEST(Events, a_state_that_is_not_known_is_a_guest_that_stands_still) {
    EXPECT_EQ(guest_state(json::parse(R"({"status": "running"})")), GuestState::running);
    EXPECT_EQ(guest_state(json::parse(R"({"status": "shutdown"})")), GuestState::shut_down);
    EXPECT_EQ(guest_state(json::parse(R"({"status": "watchdog"})")), GuestState::paused);
    EXPECT_EQ(guest_state(json::parse(R"({})")), GuestState::paused);
}

} // namespace domus::engine::qemu
