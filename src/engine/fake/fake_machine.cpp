#include "engine/fake/fake_machine.hpp"

#include "engine/fake/fake_images.hpp"
#include "os/files.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus::engine::fake {

namespace event = machine_event;

namespace {

constexpr std::string_view state_magic = "the state of a fake machine\n";
constexpr std::size_t largest_state = 1 << 20;

Error impossible(const Guest& guest, std::string_view what) {
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                 fmt::format("internal error: the machine of '{}' cannot: {}", guest.name, what));
}

std::string read_all(const UniqueFd& fd) {
    std::string text(largest_state, '\0');
    std::size_t size = 0;
    for (;;) {
        const auto got = ::read(fd.get(), text.data() + size, text.size() - size);
        if (got < 0) throw system_error(errno, "cannot read a state");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

Vcpus vcpus_of(const Guest& guest) {
    constexpr int above_all_threads = 1 << 30; // of any host (pid_max)
    Vcpus vcpus{guest.vcpus, guest.booted, {}};
    for (unsigned i = 0; i < guest.vcpus; ++i) vcpus.threads.push_back(above_all_threads + static_cast<int>(i));
    return vcpus;
}

void require_still(const Guest& guest) {
    if (guest.state == GuestState::running) throw impossible(guest, "the guest runs");
}

/// The image that such a disk has in the machine.
int image_of(const Guest& guest, const model::Disk& disk) {
    const auto found = guest.launch.disks.find(disk.alias.value_or(""));
    if (found == guest.launch.disks.end() || found->second.empty() || found->second.front().empty())
        throw impossible(guest, fmt::format("disk '{}' has no image", disk.target.dev));
    return found->second.front().fds.front()->get();
}

bool has_name(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

} // namespace

// ---- its process --------------------------------------------------------------------------------------------------

FakeMachine::FakeMachine(Executor executor, FakeHostPtr host, GuestPtr guest, Process process)
    : FakeMachine(std::make_shared<Control>(executor, std::move(host), std::move(guest)), std::move(process)) {}

FakeMachine::FakeMachine(ControlPtr control, Process process)
    : control_(std::move(control)), process_(std::move(process)) {
    process_.release();
    control_->guest->control = control_;
}

FakeMachine::~FakeMachine() {
    control_->handler = nullptr;
    if (!released_ && !control_->host->abandoned) kill();
}

void FakeMachine::reach() {
    control_->report(event::Reached{control_->guest->state});
    flush(control_);
}

void FakeMachine::terminate() {
    if (!control_->host->obeys_terminate || control_->guest->ended) return;
    control_->report(event::ShutDown{event::ShutdownCause::host});
    flush(control_);
    asio::post(control_->executor, [guest = control_->guest] { guest->end(); });
}

Task<bool> FakeMachine::ended(Deadline by) {
    const auto control = control_;
    while (!control->guest->ended) {
        const bool notified = co_await control->changed.wait(by);
        if (!notified) break;
    }
    co_return control->guest->ended;
}

void FakeMachine::listen(std::function<void(const MachineEvent&)> handler) { control_->handler = std::move(handler); }

Task<SetUp> FakeMachine::set_up(model::Domain live) {
    auto work = [live = std::move(live)](Control& control) {
        auto& guest = *control.guest;
        guest.vcpus = live.vcpu_current.value_or(live.vcpu);
        guest.booted = 1;
        guest.balloon = live.current_memory.value_or(live.memory);
        for (const auto& interface : live.devices.interfaces)
            guest.links[interface.alias.value_or("")] =
                interface.link.value_or(model::LinkState::up) == model::LinkState::up;
        return SetUp{live, vcpus_of(guest)};
    };
    return perform(control_, "set_up", std::move(work));
}

// ---- its life -----------------------------------------------------------------------------------------------------

Task<> FakeMachine::run() {
    return perform(control_, "run", [](Control& control) {
        auto& guest = *control.guest;
        if (guest.incoming || guest.state == GuestState::shut_down || guest.state == GuestState::crashed)
            throw impossible(guest, guest.incoming ? "it waits for its state" : "it must be reset first");
        guest.given_away = false;
        if (guest.state == GuestState::running) return;
        guest.state = GuestState::running;
        control.report(event::Resumed{});
    });
}

Task<> FakeMachine::stop() {
    return perform(control_, "stop", [](Control& control) {
        auto& guest = *control.guest;
        if (guest.state != GuestState::running) return;
        guest.state = GuestState::paused;
        control.report(event::Stopped{});
    });
}

Task<> FakeMachine::reset() {
    return perform(control_, "reset", [](Control& control) {
        auto& guest = *control.guest;
        ++guest.resets;
        if (guest.state == GuestState::shut_down || guest.state == GuestState::crashed)
            guest.state = GuestState::paused;
        control.report(event::Reset{});
    });
}

Task<> FakeMachine::press_power_button() {
    return perform(control_, "press_power_button", [](Control& control) {
        auto& guest = *control.guest;
        if (!control.host->obeys_power_button || guest.state != GuestState::running) return;
        guest.state = GuestState::shut_down;
        control.report(event::ShutDown{event::ShutdownCause::guest});
        control.report(event::Stopped{});
    });
}

Task<> FakeMachine::inject_nmi() {
    return perform(control_, "inject_nmi", [](Control& control) { ++control.guest->nmis; });
}

Task<> FakeMachine::send_keys(std::vector<std::uint32_t> numbers, std::chrono::milliseconds) {
    auto work = [numbers = std::move(numbers)](Control& control) { control.guest->keys = numbers; };
    return perform(control_, "send_keys", std::move(work));
}

Task<> FakeMachine::screenshot(UniqueFd into, std::string, unsigned) {
    auto work = [into = std::move(into)](Control&) {
        constexpr std::string_view picture("P6\n1 1\n255\n\0\0\0", 14);
        write_all(into.get(), picture, "a screenshot");
    };
    return perform(control_, "screenshot", std::move(work));
}

Task<> FakeMachine::dump_memory(UniqueFd into) {
    auto work = [into = std::move(into)](Control& control) { write_all(into.get(), control.guest->memory, "a dump"); };
    return perform(control_, "dump_memory", std::move(work));
}

// ---- its state ----------------------------------------------------------------------------------------------------

Task<> FakeMachine::send_state(UniqueFd into, std::shared_ptr<Transfer> transfer) {
    auto work = [into = std::move(into), transfer](Control& control) {
        auto& guest = *control.guest;
        require_still(guest);
        if (transfer->cancel_wanted)
            throw Error(ErrorCode::operation_aborted, ErrorDomain::qemu, "operation aborted: canceled by client");
        const auto state = std::string(state_magic) + guest.memory;
        write_all(into.get(), state, "a state");
        guest.given_away = true;
        transfer->statistics.total = transfer->statistics.processed = state.size();
    };
    return perform(control_, "send_state", std::move(work));
}

Task<> FakeMachine::receive_state(UniqueFd from, std::shared_ptr<Transfer> transfer) {
    auto work = [from = std::move(from), transfer](Control& control) {
        auto& guest = *control.guest;
        if (!guest.incoming) throw impossible(guest, "it waits for no state");
        const auto state = read_all(from);
        if (!state.starts_with(state_magic)) throw impossible(guest, "that is no state");
        guest.memory = state.substr(state_magic.size());
        guest.incoming = false;
        guest.state = GuestState::paused;
        transfer->statistics.total = transfer->statistics.processed = state.size();
    };
    return perform(control_, "receive_state", std::move(work));
}

Task<> FakeMachine::cancel_transfer() {
    return perform(control_, "cancel_transfer", [](Control&) {});
}
Task<> FakeMachine::abandon_transfer() {
    return perform(control_, "abandon_transfer", [](Control&) {});
}
Task<> FakeMachine::reactivate() {
    return perform(control_, "reactivate", [](Control& control) {
        require_still(*control.guest);
        control.guest->given_away = false;
    });
}

Task<> FakeMachine::save_snapshot(std::string name, std::vector<model::Disk> disks) {
    auto work = [name = std::move(name), disks = std::move(disks)](Control& control) {
        auto& guest = *control.guest;
        require_still(guest);
        for (const auto& disk : disks) {
            const int image = image_of(guest, disk);
            auto names = image_snapshots(image);
            if (has_name(names, name)) throw impossible(guest, "there is such a snapshot");
            names.push_back(name);
            write_image_snapshots(image, names);
        }
        control.host->snapshots(guest.uuid)[name] = guest.memory;
    };
    return perform(control_, "save_snapshot", std::move(work));
}

Task<> FakeMachine::load_snapshot(std::string name, std::vector<model::Disk> disks) {
    auto work = [name = std::move(name), disks = std::move(disks)](Control& control) {
        auto& guest = *control.guest;
        require_still(guest);
        for (const auto& disk : disks)
            if (!has_name(image_snapshots(image_of(guest, disk)), name))
                throw impossible(guest, "there is no such snapshot");
        guest.memory = control.host->snapshots(guest.uuid).at(name);
        guest.state = GuestState::paused;
    };
    return perform(control_, "load_snapshot", std::move(work));
}

Task<> FakeMachine::delete_snapshot(std::string name, std::vector<model::Disk> disks) {
    auto work = [name = std::move(name), disks = std::move(disks)](Control& control) {
        for (const auto& disk : disks) {
            const int image = image_of(*control.guest, disk);
            auto names = image_snapshots(image);
            std::erase(names, name);
            write_image_snapshots(image, names);
        }
        control.host->snapshots(control.guest->uuid).erase(name);
    };
    return perform(control_, "delete_snapshot", std::move(work));
}

Task<> FakeMachine::await_snapshot() {
    return perform(control_, "await_snapshot", [](Control&) {});
}

// ---- its devices --------------------------------------------------------------------------------------------------

Task<std::map<std::string, std::string>> FakeMachine::plug(Plugging what) {
    auto work = [what = std::move(what)](Control& control) {
        auto& guest = *control.guest;
        for (const auto& alias : what.aliases)
            if (guest.devices.contains(alias)) throw impossible(guest, fmt::format("there is a device '{}'", alias));
        guest.devices.insert(what.aliases.begin(), what.aliases.end());
        for (const auto& [alias, images] : what.launch.disks) guest.launch.disks[alias] = images;
        return std::map<std::string, std::string>{};
    };
    return perform(control_, "plug", std::move(work));
}

Task<> FakeMachine::unplug(std::string alias) {
    auto work = [alias = std::move(alias)](Control& control) {
        using Unplugging = FakeHost::Unplugging;
        auto& guest = *control.guest;
        if (!guest.devices.contains(alias)) throw impossible(guest, fmt::format("there is no device '{}'", alias));
        if (control.host->unplugging == Unplugging::refused) control.report(event::UnplugRefused{alias});
        if (control.host->unplugging != Unplugging::done) return;
        guest.devices.erase(alias);
        control.report(event::DeviceGone{alias});
    };
    return perform(control_, "unplug", std::move(work));
}

Task<std::vector<std::string>> FakeMachine::missing_devices(std::shared_ptr<const model::Domain> live) {
    auto work = [live = std::move(live)](Control& control) {
        std::vector<std::string> missing;
        model::for_each_device(live->devices, [&](std::string_view, const auto& device) {
            if (device.alias && !control.guest->devices.contains(*device.alias)) missing.push_back(*device.alias);
        });
        return missing;
    };
    return perform(control_, "missing_devices", std::move(work));
}

Task<> FakeMachine::release_device(std::shared_ptr<const model::Domain>, std::string alias) {
    auto work = [alias = std::move(alias)](Control& control) { control.guest->launch.disks.erase(alias); };
    return perform(control_, "release_device", std::move(work));
}

Task<std::exception_ptr> FakeMachine::change_medium(MediumChange what) {
    auto work = [what = std::move(what)](Control& control) {
        for (const auto& disk : what.after.devices.disks)
            if (disk.alias == what.alias) control.guest->media[what.alias] = disk.source.text();
        control.guest->launch.disks.erase(what.alias);
        control.guest->launch.disks.insert(what.launch.disks.begin(), what.launch.disks.end());
        control.report(event::TrayMoved{what.alias, true});
        control.report(event::TrayMoved{what.alias, false});
        return std::exception_ptr();
    };
    return perform(control_, "change_medium", std::move(work));
}

Task<> FakeMachine::set_link(std::string alias, bool up) {
    auto work = [alias = std::move(alias), up](Control& control) { control.guest->links[alias] = up; };
    return perform(control_, "set_link", std::move(work));
}

Task<> FakeMachine::set_display_password(model::GraphicsType, std::string password, std::optional<std::string>) {
    auto work = [password = std::move(password)](Control& control) { control.guest->password = password; };
    return perform(control_, "set_display_password", std::move(work));
}

Task<> FakeMachine::add_display_client(model::GraphicsType, UniqueFd client, bool) {
    auto work = [client = std::move(client)](Control&) {};
    return perform(control_, "add_display_client", std::move(work));
}

Task<> FakeMachine::resize_disk(model::Disk disk, ByteCount size) {
    auto work = [alias = disk.alias.value_or(""), size](Control& control) { control.guest->sizes[alias] = size; };
    return perform(control_, "resize_disk", std::move(work));
}

Task<model::Domain> FakeMachine::learn(model::Domain live) {
    auto work = [live = std::move(live)](Control&) { return live; };
    return perform(control_, "learn", std::move(work));
}

// ---- memory, processors, statistics -------------------------------------------------------------------------------

Task<> FakeMachine::set_balloon(ByteCount amount) {
    auto work = [amount](Control& control) {
        control.guest->balloon = amount;
        control.report(event::BalloonChanged{amount.bytes});
    };
    return perform(control_, "set_balloon", std::move(work));
}

Task<> FakeMachine::set_balloon_period(model::MemoryBalloon, std::chrono::seconds period) {
    auto work = [period](Control& control) { control.guest->balloon_period = period; };
    return perform(control_, "set_balloon_period", std::move(work));
}

Task<Vcpus> FakeMachine::set_vcpus(std::shared_ptr<const model::Domain>, unsigned count) {
    auto work = [count](Control& control) {
        control.guest->vcpus = std::max(count, control.guest->booted);
        return vcpus_of(*control.guest);
    };
    return perform(control_, "set_vcpus", std::move(work));
}

Task<MachineStatistics> FakeMachine::statistics(StatisticsWish wish) {
    auto work = [wish = std::move(wish)](Control& control) {
        MachineStatistics statistics;
        statistics.at = Clock::now();
        for (const auto& disk : wish.live->devices.disks) statistics.disks[disk.alias.value_or("")].reads = 1;
        if (wish.balloon) statistics.balloon = control.guest->balloon.bytes;
        return statistics;
    };
    return perform(control_, "statistics", std::move(work));
}

} // namespace domus::engine::fake
