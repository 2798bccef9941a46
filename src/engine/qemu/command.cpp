#include "engine/qemu/command.hpp"

#include "engine/qemu/alias.hpp"
#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/devices/devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <sys/resource.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

namespace {

void add_identity(Build& build) {
    build.arguments.add("-name", Options().set("guest", build.domain.name).set("debug-threads", true));
    build.arguments.add("-S"); // the daemon starts the guest when all is ready
    build.arguments.add("-no-user-config");
    build.arguments.add("-nodefaults");
}

void add_uuid(Build& build) { build.arguments.add("-uuid", build.domain.uuid.value_or(Uuid{}).text()); }

void add_monitor(Build& build) {
    Options options("socket");
    options.set("id", "charmonitor");
    if (build.launch.control)
        options.set("fd", build.pass(build.launch.control));
    else
        options.set("path", build.launch.folder + "/monitor.sock");
    options.set("server", true).set("wait", false);
    build.arguments.add("-chardev", options);
    build.arguments.add("-mon", Options().set("chardev", "charmonitor").set("id", "monitor").set("mode", "control"));
}

void add_incoming(Build& build) {
    if (build.launch.incoming) build.arguments.add("-incoming", "defer");
}

void add_confinement(Build& build) {
    if (build.launch.sandbox)
        build.arguments.add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    build.arguments.add("-msg", Options().set("timestamp", true));
}

void add_own_arguments(Build& build) {
    for (const auto& argument : build.domain.qemu.arguments) build.arguments.add(argument.value);
    for (const auto& variable : build.domain.qemu.environment)
        build.command.environment.push_back(variable.name + "=" + variable.value.value_or(""));
}

void refuse_unknown(Build& build) {
    const auto& devices = build.domain.devices;
    if (!devices.leases.empty())
        refuse("lease", devices.leases.front().rest.line, "leases need a lock manager, which there is not");
    if (devices.nvram) refuse("nvram", devices.nvram->rest.line, "an NVRAM device is for pSeries machines");
    for (const auto& event : build.domain.perf)
        if (event.enabled) refuse("event", event.rest.line, "perf events are not supported");
}

/// What comes before the devices and behind them, each in the order in which QEMU wants it.
constexpr std::array parts_before{refuse_unknown, add_identity, add_machine, add_cpu,   add_memory, add_uuid,
                                  add_smbios,     add_monitor,  add_clock,   add_power, add_boot};
constexpr std::array parts_behind{add_incoming, add_confinement, add_own_arguments};

void add_parts(Build& build) {
    for (const auto part : parts_before) part(build);
    for (const auto* kind : all_kinds()) kind->add(build);
    for (const auto part : parts_behind) part(build);
}

void set_surroundings(Command& command, const Launch& launch) {
    command.environment.push_back("HOME=" + launch.folder);
    command.environment.push_back("XDG_DATA_HOME=" + launch.folder);
    command.environment.push_back("XDG_CACHE_HOME=" + launch.folder);
    command.environment.push_back("XDG_CONFIG_HOME=" + launch.folder);
    command.uid = launch.uid;
    command.gid = launch.gid;
    command.groups = launch.groups;
    command.unprivileged = launch.unprivileged;
    command.view = launch.view;
    command.cgroup = launch.cgroup;
    if (launch.run_lock) command.pass(launch.run_lock);
    if (launch.log) {
        command.redirect(duplicate(launch.log->get()), 1);
        command.redirect(duplicate(launch.log->get()), 2);
    }
}

/// Whether the guest's memory must stay where it is: by its definition, or since a device of the host reaches into it.
bool locks_memory(const model::Domain& domain) {
    const auto& devices = domain.devices;
    const auto reaches = [](const model::Interface& interface) {
        return interface.type == model::InterfaceType::hostdev || interface.type == model::InterfaceType::vdpa;
    };
    return domain.memory_backing.locked || !devices.hostdevs.empty()
           || std::ranges::any_of(devices.interfaces, reaches);
}

} // namespace

Command build_command(const model::Domain& live, const Capabilities& capabilities, const Launch& launch) {
    Command command(live.devices.emulator.value_or(capabilities.binary));
    Build build{live, capabilities,       launch, chipset_of(live.os.machine.value_or("")), command,
                {},   boot_indexes(live), {}};
    set_surroundings(command, launch);
    if (launch.unprivileged && locks_memory(live)) command.limits.push_back({RLIMIT_MEMLOCK, RLIM_INFINITY});
    add_parts(build);
    command.arguments = build.arguments.take();
    return command;
}

std::vector<Preparation> preparations(const model::Domain& live) {
    std::vector<Preparation> list;
    for (const auto* kind : all_kinds())
        if (kind->prepare) kind->prepare(live, list);
    return list;
}

std::string native_command(model::Domain domain, const Capabilities& capabilities) {
    complete(domain, capabilities);
    assign_aliases(domain);
    if (!domain.devices.graphics.empty())
        for (auto& graphics : domain.devices.graphics)
            if (graphics.port.value_or(-1) == -1) graphics.port = 5900;
    for (const auto* kind : all_kinds())
        if (kind->choose) kind->choose(domain);
    Launch launch;
    launch.folder = "/var/lib/domus/qemu/domain-" + domain.name;
    launch.now = std::time(nullptr);
    return build_command(domain, capabilities, launch).text();
}

} // namespace domus::engine::qemu
