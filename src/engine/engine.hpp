// What runs domains. An engine completes and judges definitions, makes machines and finds them again; everything that is
// particular to it (QEMU's options and monitor) stays behind this interface. The daemon chooses the engine.
#pragma once

#include "async/task.hpp"
#include "engine/capabilities.hpp"
#include "engine/cpu_table.hpp"
#include "engine/firmware.hpp"
#include "engine/launch.hpp"
#include "engine/machine.hpp"
#include "model/domain.hpp"
#include "os/process.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::engine {

/// A machine that outlived the daemon.
struct Survivor {
    Process process;
    std::string name; ///< of the domain
    Uuid uuid;
    std::string folder;                        ///< Launch::control_folder of its start
    std::shared_ptr<const model::Domain> live; ///< as the record has it
};

/// A secret that an image of a disk is opened with.
struct WantedSecret {
    std::string id; ///< key of its value in Launch::secrets
    model::SecretReference reference;
};

class Engine {
public:
    virtual ~Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // ---- this host -------------------------------------------------------------------------------------------------
    /// Of a program by its path; "" is that of the host's architecture. Throws no_support naming the package if there is none.
    virtual Task<CapabilitiesPtr> capabilities(std::string program) = 0;
    /// The features of each CPU model that it knows.
    virtual Task<std::shared_ptr<const CpuTable>> cpu_table(std::string program) = 0;

    // ---- definitions ----------------------------------------------------------------------------------------------
    /// Fills in what a definition leaves open; what is given stays. Throws config_unsupported for what cannot run on this
    /// host, xml_error for what cannot be, no_support where the program that runs it is not installed.
    virtual Task<model::Domain> complete(model::Domain domain) = 0;
    /// The devices' part alone: for one that was added. `spare_ports`: free PCI Express ports for those that come later.
    virtual void complete_devices(model::Domain& domain, unsigned spare_ports) const = 0;
    /// Names the devices of a domain that is about to run, or those that were added to it.
    virtual void assign_aliases(model::Domain& live) const = 0;
    /// The program that runs it. Throws config_unsupported, naming the package, where it is not installed.
    virtual std::string program_of(const model::Domain& domain) const = 0;
    /// Throws operation_unsupported if devices of that element are not plugged into and out of running machines.
    virtual void require_pluggable(std::string_view element) const = 0;
    /// Of the disk's own image and of those below it that the definition names.
    virtual std::vector<WantedSecret> wanted_secrets(const model::Disk& disk) const = 0;
    /// `variables`: where they are for a definition that leaves it open. Blocks: called in lanes.
    virtual FirmwareChoice choose_firmware(const model::Domain& domain, const std::string& variables) const = 0;
    /// The command that runs it, for people to read.
    virtual Task<std::string> native_command(model::Domain domain) = 0;

    // ---- machines -------------------------------------------------------------------------------------------------
    /// Throws what launch() would throw for the definition itself.
    virtual Task<> judge(std::shared_ptr<const model::Domain> live, std::shared_ptr<const Launch> launch) = 0;
    /// Makes the process; the guest does not run yet. Throws config_unsupported with the element and its line for what
    /// this engine cannot do.
    virtual Task<std::shared_ptr<Machine>> launch(std::shared_ptr<const model::Domain> live, Launch launch) = 0;
    /// Control is regained in the background: Machine::listen hears Reached.
    virtual std::shared_ptr<Machine> adopt(Survivor survivor) = 0;

protected:
    Engine() = default;
};

} // namespace domus::engine
