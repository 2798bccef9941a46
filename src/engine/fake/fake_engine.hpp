// For tests: an engine whose machines live in memory (FakeHost). Definitions get a UUID, a machine type and names for
// their devices, and nothing else.
#pragma once

#include "engine/engine.hpp"
#include "engine/fake/fake_host.hpp"

namespace domus::engine::fake {

class FakeEngine : public Engine {
public:
    FakeEngine(Executor executor, FakeHostPtr host) : executor_(executor), host_(std::move(host)) {}

    Task<CapabilitiesPtr> capabilities(std::string program) override;
    Task<std::shared_ptr<const CpuTable>> cpu_table(std::string program) override;

    Task<model::Domain> complete(model::Domain domain) override;
    void complete_devices(model::Domain& domain, unsigned spare_ports) const override;
    void assign_aliases(model::Domain& live) const override;
    std::string program_of(const model::Domain& domain) const override;
    void require_pluggable(std::string_view element) const override;
    std::vector<WantedSecret> wanted_secrets(const model::Disk& disk) const override;
    FirmwareChoice choose_firmware(const model::Domain& domain, const std::string& variables) const override;
    Task<std::string> native_command(model::Domain domain) override;

    Task<> judge(std::shared_ptr<const model::Domain> live, std::shared_ptr<const Launch> launch) override;
    /// Counts as a call of its machine: "launch".
    Task<std::shared_ptr<Machine>> launch(std::shared_ptr<const model::Domain> live, Launch launch) override;
    /// What another engine of the same host has launched.
    std::shared_ptr<Machine> adopt(Survivor survivor) override;

private:
    Executor executor_;
    FakeHostPtr host_;
};

} // namespace domus::engine::fake
