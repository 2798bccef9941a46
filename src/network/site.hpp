// Where networks live: the folders of their files, how their bridges are known, and who listens to their events.
#pragma once

#include "async/lane.hpp"
#include "async/task.hpp"
#include "base/text.hpp"
#include "network/dnsmasq.hpp"
#include "network/view.hpp"
#include "os/definition_store.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

namespace domus::network {

/// For a program or file that a start, stop or change of a network waits for.
inline constexpr auto timeout = std::chrono::seconds(20);

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml: /etc/domus/qemu/networks
    std::filesystem::path autostart;
    std::filesystem::path state;   ///< records of running networks: /run/domus/network
    std::filesystem::path library; ///< leases, dnsmasq's files: /var/lib/domus/dnsmasq
};

struct Site {
    Executor executor;
    Folders folders;
    DefinitionStore definitions;
    std::function<void(const NetworkView&, NetworkEvent)> emit;

    DnsmasqFiles files_of(const std::string& name) const {
        const auto& library = folders.library;
        return {library / (name + ".conf"), library / (name + ".hostsfile"), library / (name + ".addnhosts"),
                library / (name + ".leases")};
    }
    std::filesystem::path pid_file_of(const std::string& name) const { return folders.state / (name + ".pid"); }
    std::filesystem::path record_of(const std::string& name) const { return folders.state / (name + ".xml"); }
    std::filesystem::path log_of(const std::string& name) const { return folders.library / (name + ".log"); }
    /// What the aliases of all bridges of this daemon begin with.
    std::string alias_beginning() const { return "domus " + folders.state.string() + " "; }
    /// The alias of that network's bridge.
    std::string alias_of(const std::string& name) const { return std::string(cut_text(alias_beginning() + name, 255)); }
};

} // namespace domus::network
