// What a QEMU binary on this host can do: asked of it once, kept on disk, asked again when the binary changed.
//
//     Qemu qemu(executor, "/var/cache/domus");
//     auto capabilities = co_await qemu.capabilities("");    // the host's own architecture
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/task.hpp"
#include "engine/capabilities.hpp"
#include "engine/cpu_table.hpp"
#include "engine/kvm.hpp"
#include "os/process.hpp"
#include "qmp/client.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::engine::qemu {

class Qemu {
public:
    Qemu(Executor executor, std::filesystem::path cache_folder);

    /// Of a binary by path; "" is that of the host's architecture. Probes it if that was not done yet (some 300 ms).
    /// Throws no_support naming the package if there is none.
    Task<CapabilitiesPtr> capabilities(std::string binary);
    /// As known so far, without waiting; null if it was not asked yet.
    CapabilitiesPtr known(const std::string& binary) const;
    Task<KvmVerdict> kvm();
    /// Features of all models; asked once, of a QEMU that is run for it (some 250 ms).
    Task<std::shared_ptr<const CpuTable>> cpu_table(std::string binary);

    static std::string default_binary();

private:
    Task<Capabilities> probe(std::string binary);
    struct Probe;
    Task<Probe> begin_probe(std::string binary, std::vector<qmp::Command> questions);
    Mailbox& probes_of(const std::string& binary);

    Executor executor_;
    std::filesystem::path cache_folder_;
    Lane lane_;
    std::map<std::string, Mailbox> probing_; ///< by binary: one that says nothing holds up only those who want it
    std::map<std::string, CapabilitiesPtr> known_;
    std::map<std::string, std::shared_ptr<const CpuTable>> cpu_tables_;
    std::optional<KvmVerdict> kvm_;
};

} // namespace domus::engine::qemu
