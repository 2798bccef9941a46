#include "compute/tests/test_jobs.hpp"

#include "compute/devices/devices.hpp"
#include "compute/disks/resize.hpp"
#include "compute/life/life.hpp"
#include "compute/memory/memory.hpp"
#include "compute/snapshots/snapshots.hpp"
#include "compute/statistics/machine_statistics.hpp"
#include "compute/tuning/amounts.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr Impact live{.live = true};
constexpr ByteCount half{32 << 20};

State state_of(const DomainPtr& domain) { return domain->view()->status.state; }
bool runs(TestHost&, const DomainPtr& domain) { return state_of(domain) == State::running; }
bool is_paused(TestHost&, const DomainPtr& domain) { return state_of(domain) == State::paused; }
bool is_off(TestHost&, const DomainPtr& domain) { return state_of(domain) == State::shutoff; }

std::filesystem::path save_file(TestHost& host) { return host.root / "saved"; }

SaveRequest save_to(std::filesystem::path file) {
    SaveRequest request;
    request.file = std::move(file);
    request.caller = own_credentials();
    return request;
}

StartRequest plain_start() {
    StartRequest request;
    request.caller = own_credentials();
    return request;
}

SnapshotRequest snapshot_named(std::string_view name) {
    SnapshotRequest request;
    request.xml = fmt::format("<domainsnapshot><name>{}</name></domainsnapshot>", name);
    request.caller = own_credentials();
    return request;
}

std::string second_disk(TestHost& host) {
    return fmt::format("<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
                       "<target dev='vdb' bus='virtio'/></disk>",
                       host.make_image("second").string());
}

std::string second_disk_named() { return "<disk type='file' device='disk'><target dev='vdb' bus='virtio'/></disk>"; }

bool has_disk(const DomainPtr& domain, std::string_view target) {
    const auto view = domain->view();
    if (!view->live) return false;
    const auto& disks = view->live->domain->devices.disks;
    return std::ranges::find(disks, target, [](const auto& disk) { return disk.target.dev; }) != disks.end();
}

// ---- what comes before --------------------------------------------------------------------------------------------

Task<> suspend_it(TestHost&, DomainPtr domain) { co_await suspend(domain); }
Task<> save_it(TestHost& host, DomainPtr domain) { co_await save(domain, save_to(save_file(host))); }
Task<> save_it_managed(TestHost&, DomainPtr domain) { co_await save(domain, save_to({})); }
Task<> snapshot_it(TestHost&, DomainPtr domain) { (void)co_await create_snapshot(domain, snapshot_named("first")); }
Task<> snapshot_and_end_it(TestHost&, DomainPtr domain) {
    (void)co_await create_snapshot(domain, snapshot_named("first"));
    co_await destroy(domain, false);
}
Task<> plug_second(TestHost& host, DomainPtr domain) {
    co_await attach_device(domain, second_disk(host), live, own_credentials());
}

// ---- jobs ---------------------------------------------------------------------------------------------------------

Task<> restore_it(TestHost& host, DomainPtr) {
    RestoreRequest request;
    request.file = save_file(host);
    request.caller = own_credentials();
    (void)co_await host.domains.restore(std::move(request));
}

Task<> start_it(TestHost&, DomainPtr domain) { co_await start(domain, plain_start()); }
Task<> start_it_paused(TestHost&, DomainPtr domain) {
    auto request = plain_start();
    request.paused = true;
    co_await start(domain, std::move(request));
}
Task<> send_a_key(TestHost&, DomainPtr domain) {
    std::vector<std::uint32_t> keys{30};
    co_await send_key(domain, std::move(keys), 0);
}
Task<> snapshot_and_halt(TestHost&, DomainPtr domain) {
    auto request = snapshot_named("second");
    request.halt = true;
    (void)co_await create_snapshot(domain, std::move(request));
}
Task<> revert_it(TestHost&, DomainPtr domain) {
    RevertRequest request;
    request.caller = own_credentials();
    co_await revert_to_snapshot(domain, "first", std::move(request));
}
Task<> delete_first(TestHost&, DomainPtr domain) {
    DeleteRequest request;
    request.caller = own_credentials();
    co_await delete_snapshot(domain, "first", std::move(request));
}
Task<> detach_second(TestHost&, DomainPtr domain) { co_await detach_device(domain, second_disk_named(), live); }
Task<> insert_medium(TestHost& host, DomainPtr domain) {
    auto xml = fmt::format("<disk type='file' device='cdrom'><driver name='qemu' type='qcow2'/><source file='{}'/>"
                           "<target dev='sda' bus='sata'/><readonly/></disk>",
                           host.make_image("medium").string());
    co_await update_device(domain, std::move(xml), live, false, own_credentials());
}
Task<> set_link_down(TestHost&, DomainPtr domain) {
    std::string xml = "<interface type='user'><mac address='52:54:00:00:00:01'/><link state='down'/></interface>";
    co_await update_device(domain, std::move(xml), live, false, own_credentials());
}
Task<> set_password(TestHost& host, DomainPtr domain) {
    auto xml = fmt::format("<graphics type='vnc' socket='{}' passwd='secret'/>",
                           (host.root / (domain->name() + ".vnc")).string());
    co_await update_device(domain, std::move(xml), live, false, own_credentials());
}
Task<> ask_statistics(TestHost&, DomainPtr domain) {
    const auto statistics = co_await machine_statistics(domain, 0ms, Deadline::in(timeout));
    if (!statistics) throw Error(ErrorCode::operation_failed, ErrorDomain::qemu, "there are no statistics");
}
Task<> take_screenshot(TestHost&, DomainPtr domain) { (void)co_await screenshot(domain, 0); }
Task<> open_display(TestHost&, DomainPtr domain) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) throw system_error(errno, "socketpair");
    const UniqueFd kept(ends[0]);
    UniqueFd given(ends[1]);
    co_await open_graphics(domain, 0, std::move(given), false);
}

std::vector<TestJob> make_jobs() {
    std::vector<TestJob> jobs;
    const auto add = [&](TestJob job) { jobs.push_back(std::move(job)); };
    add({.name = "start", .run = start_it, .done = runs, .of_stopped = true});
    add({.name = "start_paused", .run = start_it_paused, .done = is_paused, .of_stopped = true});
    add({.name = "suspend", .run = suspend_it, .done = is_paused});
    add({.name = "resume",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await resume(domain); },
         .prepare = suspend_it,
         .done = runs});
    add({.name = "shutdown",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await shutdown(domain, ShutdownMode::acpi); },
         .done = is_off});
    add({.name = "reboot",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await reboot(domain, ShutdownMode::acpi); },
         .done =
             [](TestHost& host, const DomainPtr& domain) {
                 const auto guest = host.guest(domain);
                 return guest && guest->resets == 1 && guest->state == engine::GuestState::running;
             }});
    add({.name = "reset", .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await reset(domain); }, .done = runs});
    add({.name = "inject_nmi",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await inject_nmi(domain); },
         .done = [](TestHost& host, const DomainPtr& domain) { return host.guest(domain)->nmis == 1; }});
    add({.name = "send_key", .run = send_a_key, .done = [](TestHost& host, const DomainPtr& domain) {
             return host.guest(domain)->keys.size() == 1;
         }});
    add({.name = "destroy",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await destroy(domain, false); },
         .done = is_off});
    add({.name = "destroy_gracefully",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await destroy(domain, true); },
         .done = is_off});
    return jobs;
}

std::vector<TestJob> make_memory_jobs() {
    std::vector<TestJob> jobs;
    const auto add = [&](TestJob job) { jobs.push_back(std::move(job)); };
    add({.name = "save", .run = save_it, .done = is_off});
    add({.name = "save_paused", .run = save_it, .prepare = suspend_it, .done = is_off});
    add({.name = "managed_save", .run = save_it_managed, .done = is_off});
    add({.name = "restore", .run = restore_it, .prepare = save_it, .done = runs});
    add({.name = "start_saved", .run = start_it, .prepare = save_it_managed, .done = runs});
    add({.name = "snapshot", .run = snapshot_it, .done = [](TestHost&, const DomainPtr& domain) {
             return domain->snapshots().tree.size() == 1;
         }});
    add({.name = "snapshot_halt", .run = snapshot_and_halt, .prepare = snapshot_it, .done = is_off});
    add({.name = "revert", .run = revert_it, .prepare = snapshot_it, .done = runs});
    add({.name = "revert_stopped", .run = revert_it, .prepare = snapshot_and_end_it, .done = runs});
    add({.name = "delete_snapshot",
         .run = delete_first,
         .prepare = snapshot_it,
         .done = [](TestHost&, const DomainPtr& domain) { return domain->snapshots().tree.empty(); }});
    return jobs;
}

std::vector<TestJob> make_device_jobs() {
    std::vector<TestJob> jobs;
    const auto add = [&](TestJob job) { jobs.push_back(std::move(job)); };
    add({.name = "attach_disk", .run = plug_second, .done = [](TestHost&, const DomainPtr& domain) {
             return has_disk(domain, "vdb");
         }});
    add({.name = "attach_interface",
         .run = [](TestHost&, DomainPtr domain) -> Task<> {
             std::string xml = "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>";
             co_await attach_device(domain, std::move(xml), live, own_credentials());
         },
         .done = [](TestHost& host,
                    const DomainPtr& domain) { return host.guest(domain)->devices.contains("interface1"); }});
    add({.name = "detach_disk",
         .run = detach_second,
         .prepare = plug_second,
         .done = [](TestHost&, const DomainPtr& domain) { return !has_disk(domain, "vdb"); }});
    add({.name = "detach_alias",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await detach_alias(domain, "interface0", live); },
         .done = [](TestHost&,
                    const DomainPtr& domain) { return domain->view()->live->domain->devices.interfaces.empty(); }});
    add({.name = "insert_medium", .run = insert_medium, .done = [](TestHost& host, const DomainPtr& domain) {
             return host.guest(domain)->media.size() == 1;
         }});
    add({.name = "set_link", .run = set_link_down, .done = [](TestHost& host, const DomainPtr& domain) {
             return !host.guest(domain)->links["interface0"];
         }});
    add({.name = "set_password", .run = set_password, .done = [](TestHost& host, const DomainPtr& domain) {
             return host.guest(domain)->password == "secret";
         }});
    add({.name = "open_graphics", .run = open_display, .done = runs});
    add({.name = "screenshot", .run = take_screenshot, .done = runs});
    add({.name = "resize_disk",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await resize_disk(domain, "vda", ByteCount{2 << 20}); },
         .done = [](TestHost& host, const DomainPtr& domain) { return host.guest(domain)->sizes.size() == 1; }});
    return jobs;
}

std::vector<TestJob> make_resource_jobs() {
    std::vector<TestJob> jobs;
    const auto add = [&](TestJob job) { jobs.push_back(std::move(job)); };
    add({.name = "set_memory",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await set_memory(domain, half, false, live); },
         .done = [](TestHost&, const DomainPtr& domain) { return domain->view()->summary().memory == half; }});
    add({.name = "set_memory_stats_period",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await set_memory_stats_period(domain, 5s, live); },
         .done = [](TestHost& host, const DomainPtr& domain) { return host.guest(domain)->balloon_period == 5s; }});
    add({.name = "set_vcpus",
         .run = [](TestHost&, DomainPtr domain) -> Task<> { co_await set_vcpus(domain, 2, false, live); },
         .done = [](TestHost&, const DomainPtr& domain) { return domain->view()->live->vcpu_threads.size() == 2; }});
    add({.name = "statistics", .run = ask_statistics, .done = runs});
    return jobs;
}

} // namespace

const std::vector<TestJob>& test_jobs() {
    static const auto all = [] {
        auto jobs = make_jobs();
        for (auto* more : {make_memory_jobs, make_device_jobs, make_resource_jobs})
            std::ranges::move(more(), std::back_inserter(jobs));
        return jobs;
    }();
    return all;
}

const TestJob& test_job(std::string_view name) {
    const auto found = std::ranges::find(test_jobs(), name, &TestJob::name);
    if (found == test_jobs().end()) throw std::invalid_argument("there is no job " + std::string(name));
    return *found;
}

} // namespace domus::compute
