#include "engine/qemu/qemu_machine.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "engine/qemu/background_job.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/derived.hpp"
#include "engine/qemu/events.hpp"
#include "engine/qemu/hotplug.hpp"
#include "engine/qemu/statistics.hpp"
#include "engine/qemu/transfer.hpp"
#include "engine/qemu/vcpus.hpp"

#include <fmt/format.h>

#include <csignal>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto short_timeout = 5s;     ///< of what the domain's queue waits for
constexpr auto greeting_timeout = 60s; ///< until QEMU greets: a loaded host may take long to load it
constexpr auto resize_timeout = 30s;   ///< on storage that answers
constexpr auto dump_timeout = 10min;   ///< as long as the disk needs for all of the memory

Task<> tell(MonitorPtr monitor, std::string command, json::object arguments, Clock::duration timeout) {
    (void)co_await monitor->execute(std::move(command), std::move(arguments), Deadline::in(timeout));
}

/// A descriptor under a name of QEMU's, for a command that takes it by that.
Task<> hand_over(MonitorPtr monitor, std::string name, UniqueFd fd) {
    json::object arguments{{"fdname", name}};
    (void)co_await monitor->execute_with_fd("getfd", std::move(arguments), std::move(fd),
                                            Deadline::in(monitor_timeout));
}

Task<> take_screenshot(MonitorPtr monitor, UniqueFd into, std::string video, unsigned head) {
    const auto answer = co_await monitor->execute_with_fd("add-fd", {}, std::move(into), Deadline::in(short_timeout));
    const auto set = answer.as_object().at("fdset-id").to_number<std::int64_t>();
    json::object arguments{{"filename", fmt::format("/dev/fdset/{}", set)}};
    if (!video.empty()) arguments["device"] = video;
    if (head > 0) arguments["head"] = head;
    std::vector<qmp::Command> commands;
    commands.push_back({"screendump", std::move(arguments)});
    json::object end{{"fdset-id", set}};
    commands.push_back({"remove-fd", std::move(end)});
    (void)co_await monitor->execute_all(std::move(commands), Deadline::in(short_timeout));
}

Task<> dump_guest_memory(MonitorPtr monitor, UniqueFd into) {
    co_await hand_over(monitor, "core", std::move(into));
    json::object arguments{{"paging", false}, {"protocol", "fd:core"}};
    (void)co_await monitor->execute("dump-guest-memory", std::move(arguments), Deadline::in(dump_timeout));
}

Task<> add_client(MonitorPtr monitor, json::object arguments, UniqueFd client) {
    constexpr const char* name = "graphics-client";
    co_await hand_over(monitor, name, std::move(client));
    arguments["fdname"] = name;
    std::exception_ptr failure;
    try {
        (void)co_await monitor->execute("add_client", std::move(arguments), Deadline::in(short_timeout));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    json::object descriptor{{"fdname", name}};
    try {
        (void)co_await monitor->execute("closefd", std::move(descriptor), Deadline::in(short_timeout));
    } catch (const Error&) {
        // add_client has taken it
    }
    std::rethrow_exception(failure);
}

// ---- after the launch ---------------------------------------------------------------------------------------------

void note_terminals(const json::value& characters, model::Devices& devices) {
    constexpr std::string_view prefix = "pty:";
    for (const auto& entry : characters.as_array()) {
        const auto& object = entry.as_object();
        const std::string label(object.at("label").as_string());
        const std::string filename(object.at("filename").as_string());
        if (!filename.starts_with(prefix)) continue;
        const auto path = filename.substr(prefix.size());
        for (auto* list : {&devices.serials, &devices.consoles, &devices.channels, &devices.parallels})
            for (auto& device : *list)
                if (device.alias && label == "char" + *device.alias) {
                    device.source().path = path;
                    if (list == &devices.consoles) device.tty = path;
                }
    }
}

Task<SetUp> prepare(MonitorPtr monitor, model::Domain live) {
    std::vector<qmp::Command> commands;
    commands.push_back({"query-chardev", {}});
    commands.push_back({"query-cpus-fast", {}});
    for (auto& preparation : preparations(live)) commands.push_back({preparation.command, preparation.arguments});
    const auto answers = co_await monitor->handshake(Deadline::in(greeting_timeout), std::move(commands));
    note_terminals(answers[0], live.devices);
    SetUp made;
    made.vcpus.threads = threads_of(answers[1], live.vcpu);
    made.vcpus.present = live.vcpu_current.value_or(live.vcpu);
    made.vcpus.booted = booted_vcpus(live);
    if (made.vcpus.booted < made.vcpus.present) {
        co_await plug_first_vcpus(monitor, made.vcpus.present);
        const auto cpus = co_await monitor->execute("query-cpus-fast", {}, Deadline::in(greeting_timeout));
        made.vcpus.threads = threads_of(cpus, live.vcpu);
    }
    made.live = co_await learn_derived(monitor, std::move(live));
    monitor->keep();
    co_return made;
}

// ---- snapshots ----------------------------------------------------------------------------------------------------

enum class Memory { with_first_disk, none };

/// snapshot-save, -load and -delete of qapi/migration.json.
Task<> snapshot_job(MonitorPtr monitor, std::string command, std::string name, std::vector<model::Disk> disks,
                    Memory memory) {
    json::array devices;
    for (const auto& disk : disks) devices.emplace_back(node_of(disk, 0));
    json::object arguments{{"tag", name}};
    if (memory == Memory::with_first_disk) arguments["vmstate"] = devices.front();
    arguments["devices"] = std::move(devices);
    return run_background_job(std::move(monitor), std::move(command), std::move(arguments));
}

// ---- devices ------------------------------------------------------------------------------------------------------

Task<std::map<std::string, std::string>> plug_with(Qemu& qemu, std::string emulator, MonitorPtr monitor,
                                                   Plugging what) {
    const auto capabilities = co_await qemu.capabilities(std::move(emulator));
    auto terminals = co_await plug_devices(monitor, capabilities, std::move(what));
    co_return terminals;
}

Task<std::vector<std::string>> missing_with(Qemu& qemu, std::string emulator, MonitorPtr monitor,
                                            std::shared_ptr<const model::Domain> live) {
    const auto capabilities = co_await qemu.capabilities(std::move(emulator));
    auto missing = co_await qemu::missing_devices(monitor, capabilities, std::move(live));
    co_return missing;
}

Task<> release_with(Qemu& qemu, std::string emulator, MonitorPtr monitor, std::shared_ptr<const model::Domain> live,
                    std::string alias) {
    const auto capabilities = co_await qemu.capabilities(std::move(emulator));
    co_await qemu::release_device(monitor, capabilities, std::move(live), std::move(alias));
}

Task<std::exception_ptr> change_with(Qemu& qemu, std::string emulator, MonitorPtr monitor, MediumChange what) {
    const auto capabilities = co_await qemu.capabilities(std::move(emulator));
    auto failure = co_await qemu::change_medium(monitor, capabilities, std::move(what));
    co_return failure;
}

} // namespace

// ---- its process --------------------------------------------------------------------------------------------------

/// Of the process, until it has ended; who watches it may be left by the machine.
struct QemuMachine::Life {
    explicit Life(Process of) : process(std::move(of)) {}
    Process process;
    bool released = false;

    static Task<> watch(std::shared_ptr<Life> life, MonitorPtr monitor) {
        (void)co_await wait_for_exit(life->process);
        co_await monitor->end();
    }
};

QemuMachine::QemuMachine(Executor executor, Qemu& qemu, std::string emulator, Monitor::Site site, Process process)
    : monitor_(std::make_shared<Monitor>(executor, std::move(site))), life_(std::make_shared<Life>(std::move(process))),
      qemu_(qemu), emulator_(std::move(emulator)) {
    spawn(executor, Life::watch(life_, monitor_), fmt::format("the process of domain '{}'", monitor_->domain()));
}

QemuMachine::~QemuMachine() {
    if (!life_->released) kill();
    monitor_->on_event(nullptr);
    monitor_->on_reached(nullptr);
    monitor_->disconnect();
}

const Process& QemuMachine::process() const { return life_->process; }
void QemuMachine::terminate() { life_->process.signal(SIGTERM); }
void QemuMachine::kill() { (void)life_->process.signal(SIGKILL); }
void QemuMachine::release() {
    life_->released = true;
    life_->process.release();
}

// ---- control ------------------------------------------------------------------------------------------------------

void QemuMachine::listen(std::function<void(const MachineEvent&)> handler) {
    const auto shared = std::make_shared<const std::function<void(const MachineEvent&)>>(std::move(handler));
    monitor_->on_event([shared](std::string_view name, const json::object& data) {
        if (const auto event = machine_event_of(name, data)) (*shared)(*event);
    });
    monitor_->on_reached(
        [shared](const json::value& status) { (*shared)(machine_event::Reached{guest_state(status)}); });
}

Task<SetUp> QemuMachine::set_up(model::Domain live) { return prepare(monitor_, std::move(live)); }

Task<> QemuMachine::run() { return tell(monitor_, "cont", {}, short_timeout); }
Task<> QemuMachine::stop() { return tell(monitor_, "stop", {}, short_timeout); }
Task<> QemuMachine::reset() { return tell(monitor_, "system_reset", {}, short_timeout); }
Task<> QemuMachine::press_power_button() { return tell(monitor_, "system_powerdown", {}, short_timeout); }
Task<> QemuMachine::inject_nmi() { return tell(monitor_, "inject-nmi", {}, short_timeout); }

Task<> QemuMachine::send_keys(std::vector<std::uint32_t> numbers, std::chrono::milliseconds hold) {
    json::array keys;
    for (const auto number : numbers) keys.push_back({{"type", "number"}, {"data", number}});
    json::object arguments{{"keys", std::move(keys)}};
    if (hold.count() > 0) arguments["hold-time"] = hold.count();
    return tell(monitor_, "send-key", std::move(arguments), short_timeout);
}

Task<> QemuMachine::screenshot(UniqueFd into, std::string video, unsigned head) {
    return take_screenshot(monitor_, std::move(into), std::move(video), head);
}

Task<> QemuMachine::dump_memory(UniqueFd into) { return dump_guest_memory(monitor_, std::move(into)); }

// ---- its state ----------------------------------------------------------------------------------------------------

Task<> QemuMachine::send_state(UniqueFd into, std::shared_ptr<Transfer> transfer) {
    return qemu::send_state(monitor_, std::move(into), std::move(transfer));
}
Task<> QemuMachine::receive_state(UniqueFd from, std::shared_ptr<Transfer> transfer) {
    return qemu::receive_state(monitor_, std::move(from), std::move(transfer));
}
Task<> QemuMachine::cancel_transfer() { return qemu::cancel_transfer(monitor_); }
Task<> QemuMachine::abandon_transfer() { return qemu::abandon_transfer(monitor_); }
Task<> QemuMachine::reactivate() { return qemu::reactivate(monitor_); }

Task<> QemuMachine::save_snapshot(std::string name, std::vector<model::Disk> disks) {
    return snapshot_job(monitor_, "snapshot-save", std::move(name), std::move(disks), Memory::with_first_disk);
}
Task<> QemuMachine::load_snapshot(std::string name, std::vector<model::Disk> disks) {
    return snapshot_job(monitor_, "snapshot-load", std::move(name), std::move(disks), Memory::with_first_disk);
}
Task<> QemuMachine::delete_snapshot(std::string name, std::vector<model::Disk> disks) {
    return snapshot_job(monitor_, "snapshot-delete", std::move(name), std::move(disks), Memory::none);
}
Task<> QemuMachine::await_snapshot() { return await_background_job(monitor_); }

// ---- its devices --------------------------------------------------------------------------------------------------

Task<std::map<std::string, std::string>> QemuMachine::plug(Plugging what) {
    return plug_with(qemu_, emulator_, monitor_, std::move(what));
}
Task<> QemuMachine::unplug(std::string alias) { return unplug_device(monitor_, std::move(alias)); }
Task<std::vector<std::string>> QemuMachine::missing_devices(std::shared_ptr<const model::Domain> live) {
    return missing_with(qemu_, emulator_, monitor_, std::move(live));
}
Task<> QemuMachine::release_device(std::shared_ptr<const model::Domain> live, std::string alias) {
    return release_with(qemu_, emulator_, monitor_, std::move(live), std::move(alias));
}
Task<std::exception_ptr> QemuMachine::change_medium(MediumChange what) {
    return change_with(qemu_, emulator_, monitor_, std::move(what));
}

Task<> QemuMachine::set_link(std::string alias, bool up) {
    json::object arguments{{"name", alias}, {"up", up}};
    return tell(monitor_, "set_link", std::move(arguments), monitor_timeout);
}

Task<> QemuMachine::set_display_password(model::GraphicsType display, std::string password,
                                         std::optional<std::string> connected) {
    json::object arguments{{"protocol", format::word(display)}, {"password", password}};
    if (connected) arguments["connected"] = *connected;
    return tell(monitor_, "set_password", std::move(arguments), monitor_timeout);
}

Task<> QemuMachine::add_display_client(model::GraphicsType display, UniqueFd client, bool skip_authentication) {
    json::object arguments{{"protocol", format::word(display)}, {"skipauth", skip_authentication}};
    return add_client(monitor_, std::move(arguments), std::move(client));
}

Task<> QemuMachine::resize_disk(model::Disk disk, ByteCount size) {
    json::object arguments{{"node-name", node_of(disk)}, {"size", size.bytes}};
    return tell(monitor_, "block_resize", std::move(arguments), resize_timeout);
}

Task<model::Domain> QemuMachine::learn(model::Domain live) { return learn_derived(monitor_, std::move(live)); }

// ---- memory, processors, statistics -------------------------------------------------------------------------------

Task<> QemuMachine::set_balloon(ByteCount amount) {
    json::object arguments{{"value", amount.bytes}};
    return tell(monitor_, "balloon", std::move(arguments), short_timeout);
}

Task<> QemuMachine::set_balloon_period(model::MemoryBalloon balloon, std::chrono::seconds period) {
    return tell(monitor_, "qom-set", stats_period(balloon, static_cast<unsigned>(period.count())), short_timeout);
}

Task<Vcpus> QemuMachine::set_vcpus(std::shared_ptr<const model::Domain> live, unsigned count) {
    return qemu::set_vcpus(monitor_, std::move(live), count);
}

Task<MachineStatistics> QemuMachine::statistics(StatisticsWish wish) {
    return ask_statistics(monitor_, std::move(wish));
}

} // namespace domus::engine::qemu
