#include "engine/qemu/qemu_engine.hpp"

#include "async/process_wait.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/architecture.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/firmware.hpp"
#include "engine/qemu/plug.hpp"
#include "engine/qemu/qemu_machine.hpp"
#include "os/access.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto program_timeout = 30s; ///< to get to QEMU's first instruction

std::string socket_in(const std::string& folder) { return folder + "/monitor.sock"; }

} // namespace

Task<model::Domain> QemuEngine::complete(model::Domain domain) {
    const auto capabilities = co_await qemu_.capabilities(emulator_of(domain));
    qemu::complete(domain, *capabilities);
    co_return domain;
}

void QemuEngine::complete_devices(model::Domain& domain, unsigned spare_ports) const {
    qemu::complete_devices(domain, {.spare_ports = spare_ports});
}

void QemuEngine::assign_aliases(model::Domain& live) const { qemu::assign_aliases(live); }

std::string QemuEngine::program_of(const model::Domain& domain) const {
    const auto named = emulator_of(domain);
    return named.empty() ? Qemu::default_binary() : named;
}

void QemuEngine::require_pluggable(std::string_view element) const { qemu::require_pluggable(element, 0); }

std::vector<WantedSecret> QemuEngine::wanted_secrets(const model::Disk& disk) const {
    return qemu::wanted_secrets(disk);
}

FirmwareChoice QemuEngine::choose_firmware(const model::Domain& domain, const std::string& variables) const {
    return qemu::choose_firmware(domain, read_firmware_descriptors(default_firmware_folders()), variables);
}

Task<std::string> QemuEngine::native_command(model::Domain domain) {
    const auto capabilities = co_await qemu_.capabilities(emulator_of(domain));
    co_return qemu::native_command(std::move(domain), *capabilities);
}

Task<> QemuEngine::judge(std::shared_ptr<const model::Domain> live, std::shared_ptr<const Launch> launch) {
    const auto capabilities = co_await qemu_.capabilities(emulator_of(*live));
    (void)build_command(*live, *capabilities, *launch);
}

Task<std::shared_ptr<Machine>> QemuEngine::launch(std::shared_ptr<const model::Domain> live, Launch launch) {
    const auto capabilities = co_await qemu_.capabilities(emulator_of(*live));
    const auto socket = socket_in(launch.control_folder);
    launch.control = share(listen_as(own_credentials(), socket));
    auto command = build_command(*live, *capabilities, launch);
    if (launch.announce) launch.announce(command.text());
    launch = {}; // our copies would keep a dead guest's files open
    auto process = co_await spawn_process(std::move(command), Deadline::in(program_timeout));
    Monitor::Site site{socket, live->name, live->uuid.value_or(Uuid{})};
    const auto machine =
        std::make_shared<QemuMachine>(executor_, qemu_, emulator_of(*live), std::move(site), std::move(process));
    machine->connect();
    co_return machine;
}

std::shared_ptr<Machine> QemuEngine::adopt(Survivor survivor) {
    Monitor::Site site{socket_in(survivor.folder), survivor.name, survivor.uuid};
    const auto machine = std::make_shared<QemuMachine>(executor_, qemu_, emulator_of(*survivor.live), std::move(site),
                                                       std::move(survivor.process));
    machine->release();
    machine->reach();
    return machine;
}

} // namespace domus::engine::qemu
