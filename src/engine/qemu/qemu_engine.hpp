// The engine that runs domains by QEMU.
#pragma once

#include "engine/engine.hpp"
#include "engine/qemu/capabilities.hpp"

namespace domus::engine::qemu {

class QemuEngine : public Engine {
public:
    /// `qemu` outlives it.
    QemuEngine(Executor executor, Qemu& qemu) : executor_(executor), qemu_(qemu) {}

    Task<CapabilitiesPtr> capabilities(std::string program) override { return qemu_.capabilities(std::move(program)); }
    Task<std::shared_ptr<const CpuTable>> cpu_table(std::string program) override {
        return qemu_.cpu_table(std::move(program));
    }

    Task<model::Domain> complete(model::Domain domain) override;
    void complete_devices(model::Domain& domain, unsigned spare_ports) const override;
    void assign_aliases(model::Domain& live) const override;
    std::string program_of(const model::Domain& domain) const override;
    void require_pluggable(std::string_view element) const override;
    std::vector<WantedSecret> wanted_secrets(const model::Disk& disk) const override;
    FirmwareChoice choose_firmware(const model::Domain& domain, const std::string& variables) const override;
    Task<std::string> native_command(model::Domain domain) override;

    Task<> judge(std::shared_ptr<const model::Domain> live, std::shared_ptr<const Launch> launch) override;
    Task<std::shared_ptr<Machine>> launch(std::shared_ptr<const model::Domain> live, Launch launch) override;
    std::shared_ptr<Machine> adopt(Survivor survivor) override;

private:
    Executor executor_;
    Qemu& qemu_;
};

} // namespace domus::engine::qemu
