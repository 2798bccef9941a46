#include "engine/fake/fake_engine.hpp"

#include "engine/fake/fake_machine.hpp"

#include <fmt/format.h>

#include <array>
#include <csignal>

namespace domus::engine::fake {

namespace {

/// A process that stands still, holds the run lock, names the guest in its command line, and ends with the test.
Process make_stand_in(const Guest& guest, SharedFd run_lock) {
    Command command("sh");
    command.arguments = {"-c", "kill -STOP $$", "sh", "-name", "guest=" + guest.name, "-uuid", guest.uuid.text()};
    command.death_signal = SIGKILL;
    if (run_lock) command.pass(std::move(run_lock));
    return Process::spawn(command);
}

GuestPtr make_guest(const model::Domain& live, Launch launch) {
    auto guest = std::make_shared<Guest>();
    guest->name = live.name;
    guest->uuid = live.uuid.value_or(Uuid{});
    guest->folder = launch.control_folder;
    guest->incoming = launch.incoming;
    guest->memory = fmt::format("memory of {}", live.name);
    model::for_each_device(live.devices, [&](std::string_view, const auto& device) {
        if (device.alias) guest->devices.insert(*device.alias);
    });
    guest->launch = std::move(launch);
    return guest;
}

/// Our own handle; the guest has its own.
Process handle_of(const Guest& guest) {
    auto handle = Process::adopt(guest.stand_in.pid(), guest.stand_in.start_time());
    return handle ? std::move(*handle) : Process();
}

} // namespace

Task<CapabilitiesPtr> FakeEngine::capabilities(std::string program) {
    auto known = std::make_shared<Capabilities>();
    known->binary = std::move(program);
    co_return known;
}

Task<std::shared_ptr<const CpuTable>> FakeEngine::cpu_table(std::string) {
    co_return std::make_shared<const CpuTable>();
}

Task<model::Domain> FakeEngine::complete(model::Domain domain) {
    if (!domain.uuid) domain.uuid = Uuid::random();
    if (!domain.os.machine) domain.os.machine = "fake";
    co_return domain;
}

void FakeEngine::complete_devices(model::Domain&, unsigned) const {}

void FakeEngine::assign_aliases(model::Domain& live) const {
    std::set<std::string> taken;
    model::for_each_device(live.devices, [&](std::string_view, const auto& device) {
        if (device.alias) taken.insert(*device.alias);
    });
    model::for_each_device(live.devices, [&](std::string_view element, auto& device) {
        for (int number = 0; !device.alias; ++number) {
            auto name = fmt::format("{}{}", element, number);
            if (taken.insert(name).second) device.alias = std::move(name);
        }
    });
}

std::string FakeEngine::program_of(const model::Domain&) const { return "/usr/bin/true"; }

void FakeEngine::require_pluggable(std::string_view element) const {
    constexpr std::array<std::string_view, 5> fixed{"memballoon", "video", "graphics", "sound", "tpm"};
    for (const auto each : fixed)
        if (each == element)
            throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                        fmt::format("device '{}' is not plugged into a running machine", element));
}

std::vector<WantedSecret> FakeEngine::wanted_secrets(const model::Disk&) const { return {}; }

FirmwareChoice FakeEngine::choose_firmware(const model::Domain&, const std::string&) const { return {}; }

Task<std::string> FakeEngine::native_command(model::Domain domain) { co_return "fake " + domain.name; }

Task<> FakeEngine::judge(std::shared_ptr<const model::Domain>, std::shared_ptr<const Launch>) { co_return; }

Task<std::shared_ptr<Machine>> FakeEngine::launch(std::shared_ptr<const model::Domain> live, Launch launch) {
    if (launch.announce) launch.announce("fake " + live->name);
    launch.announce = nullptr;
    auto guest = make_guest(*live, std::move(launch));
    const auto control = std::make_shared<Control>(executor_, host_, guest);
    guest->control = control;
    auto work = [guest](Control& of) {
        if (of.host->processes) guest->stand_in = make_stand_in(*guest, guest->launch.run_lock);
        guest->launch.run_lock.reset();
        of.host->add(guest);
    };
    try {
        co_await perform(control, "launch", std::move(work));
    } catch (...) {
        guest->end();
        throw;
    }
    co_return std::make_shared<FakeMachine>(control, handle_of(*guest));
}

std::shared_ptr<Machine> FakeEngine::adopt(Survivor survivor) {
    const auto guest = host_->guest(survivor.uuid);
    if (!guest || guest->folder != survivor.folder)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    fmt::format("internal error: no machine of '{}' was left", survivor.name));
    auto machine = std::make_shared<FakeMachine>(executor_, host_, guest, std::move(survivor.process));
    machine->release();
    machine->reach();
    return machine;
}

} // namespace domus::engine::fake
