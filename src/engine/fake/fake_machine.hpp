// For tests: a guest in memory. It keeps the state that a machine has and reports what a machine reports; its calls
// fail as FakeHost is told to let them.
#pragma once

#include "engine/fake/control.hpp"
#include "engine/machine.hpp"

namespace domus::engine::fake {

class FakeMachine : public Machine {
public:
    /// `process`: of the guest, if there is one; left alone when the machine goes.
    FakeMachine(Executor executor, FakeHostPtr host, GuestPtr guest, Process process);
    FakeMachine(ControlPtr control, Process process);
    ~FakeMachine() override;

    /// Reports Reached soon: of a machine that was adopted.
    void reach();

    const Process& process() const override { return process_; }
    void terminate() override;
    void kill() override { control_->guest->end(); }
    Task<bool> ended(Deadline by) override;
    bool has_ended() const override { return control_->guest->ended; }
    void release() override { released_ = true; }

    void listen(std::function<void(const MachineEvent&)> handler) override;
    bool reachable() const override { return !control_->guest->ended && control_->connected; }
    void disconnect() override { control_->connected = false; }
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
    ControlPtr control_;
    Process process_;
    bool released_ = false;
};

} // namespace domus::engine::fake
