// A guest that QEMU runs.
#pragma once

#include "engine/machine.hpp"
#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/monitor.hpp"

#include <memory>
#include <string>

namespace domus::engine::qemu {

class QemuMachine : public Machine {
public:
    /// `qemu` outlives it. The process's end is watched from now on.
    QemuMachine(Executor executor, Qemu& qemu, std::string emulator, Monitor::Site site, Process process);
    ~QemuMachine() override;

    /// Connects to a QEMU that was just started. Throws system_error.
    void connect() { monitor_->connect(); }
    /// Connects to one that has run before.
    void reach() { monitor_->reach(); }

    const Process& process() const override;
    void terminate() override;
    void kill() override;
    Task<bool> ended(Deadline by) override { return monitor_->wait_ended(by); }
    bool has_ended() const override { return monitor_->ended(); }
    void release() override;

    void listen(std::function<void(const MachineEvent&)> handler) override;
    bool reachable() const override { return monitor_->connected(); }
    void disconnect() override { monitor_->disconnect(); }
    Task<SetUp> set_up(model::Domain live) override;

    Task<> run() override;
    Task<> stop() override;
    Task<> reset() override;
    Task<> press_power_button() override;
    Task<> inject_nmi() override;
    Task<> send_keys(std::vector<std::uint32_t> numbers, std::chrono::milliseconds hold) override;
    Task<> screenshot(UniqueFd into, std::string video, unsigned head) override;
    Task<> dump_memory(UniqueFd into) override;

    Task<> send_state(UniqueFd into, std::shared_ptr<Transfer> transfer) override;
    Task<> receive_state(UniqueFd from, std::shared_ptr<Transfer> transfer) override;
    Task<> cancel_transfer() override;
    Task<> abandon_transfer() override;
    Task<> reactivate() override;
    Task<> save_snapshot(std::string name, std::vector<model::Disk> disks) override;
    Task<> load_snapshot(std::string name, std::vector<model::Disk> disks) override;
    Task<> delete_snapshot(std::string name, std::vector<model::Disk> disks) override;
    Task<> await_snapshot() override;

    Task<std::map<std::string, std::string>> plug(Plugging what) override;
    Task<> unplug(std::string alias) override;
    Task<std::vector<std::string>> missing_devices(std::shared_ptr<const model::Domain> live) override;
    Task<> release_device(std::shared_ptr<const model::Domain> live, std::string alias) override;
    Task<std::exception_ptr> change_medium(MediumChange what) override;
    Task<> set_link(std::string alias, bool up) override;
    Task<> set_display_password(model::GraphicsType display, std::string password,
                                std::optional<std::string> connected) override;
    Task<> add_display_client(model::GraphicsType display, UniqueFd client, bool skip_authentication) override;
    Task<> resize_disk(model::Disk disk, ByteCount size) override;
    Task<model::Domain> learn(model::Domain live) override;

    Task<> set_balloon(ByteCount amount) override;
    Task<> set_balloon_period(model::MemoryBalloon balloon, std::chrono::seconds period) override;
    Task<Vcpus> set_vcpus(std::shared_ptr<const model::Domain> live, unsigned count) override;
    Task<MachineStatistics> statistics(StatisticsWish wish) override;

private:
    struct Life;

    /// Tasks below hold what they need by themselves: the machine may go before them.
    MonitorPtr monitor_;
    std::shared_ptr<Life> life_;
    Qemu& qemu_;
    std::string emulator_;
};

} // namespace domus::engine::qemu
