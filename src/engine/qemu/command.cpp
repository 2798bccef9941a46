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

/// All parts of the command, in the order in which QEMU wants them: what others refer to comes first.
constexpr std::array parts{
    refuse_unknown, add_identity,    add_machine,    add_cpu,        add_memory,      add_uuid,          add_smbios,
    add_monitor,    add_clock,       add_power,      add_boot,       add_iommus,      add_controllers,   add_hubs,
    add_disks,      add_filesystems, add_interfaces, add_smartcards, add_serials,     add_parallels,     add_channels,
    add_consoles,   add_tpms,        add_inputs,     add_audios,     add_graphics,    add_videos,        add_sounds,
    add_watchdogs,  add_redirdevs,   add_hostdevs,   add_memballoon, add_rngs,        add_panics,        add_shmems,
    add_memories,   add_cryptos,     add_vsock,      add_incoming,   add_confinement, add_own_arguments,
};

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

json::object limits_of(const model::Disk& disk) {
    const auto& tune = disk.iotune;
    json::object limits{{"id", block_device_of(disk)}};
    const auto limit = [&](std::string_view name, const std::optional<std::uint64_t>& value) {
        limits[name] = value.value_or(0);
    };
    limit("bps", tune.total_bytes_sec);
    limit("bps_rd", tune.read_bytes_sec);
    limit("bps_wr", tune.write_bytes_sec);
    limit("iops", tune.total_iops_sec);
    limit("iops_rd", tune.read_iops_sec);
    limit("iops_wr", tune.write_iops_sec);
    const auto optional = [&](std::string_view name, const std::optional<std::uint64_t>& value) {
        if (value && *value > 0) limits[name] = *value;
    };
    optional("bps_max", tune.total_bytes_sec_max);
    optional("bps_rd_max", tune.read_bytes_sec_max);
    optional("bps_wr_max", tune.write_bytes_sec_max);
    optional("iops_max", tune.total_iops_sec_max);
    optional("iops_rd_max", tune.read_iops_sec_max);
    optional("iops_wr_max", tune.write_iops_sec_max);
    optional("bps_max_length", tune.total_bytes_sec_max_length);
    optional("bps_rd_max_length", tune.read_bytes_sec_max_length);
    optional("bps_wr_max_length", tune.write_bytes_sec_max_length);
    optional("iops_max_length", tune.total_iops_sec_max_length);
    optional("iops_rd_max_length", tune.read_iops_sec_max_length);
    optional("iops_wr_max_length", tune.write_iops_sec_max_length);
    optional("iops_size", tune.size_iops_sec);
    if (tune.group_name) limits["group"] = *tune.group_name;
    return limits;
}

} // namespace

Command build_command(const model::Domain& live, const Capabilities& capabilities, const Launch& launch) {
    Command command(live.devices.emulator.value_or(capabilities.binary));
    Build build{live, capabilities,       launch, chipset_of(live.os.machine.value_or("")), command,
                {},   boot_indexes(live), {}};
    set_surroundings(command, launch);
    if (launch.unprivileged && locks_memory(live)) command.limits.push_back({RLIMIT_MEMLOCK, RLIM_INFINITY});
    for (const auto part : parts) part(build);
    command.arguments = build.arguments.take();
    return command;
}

json::object stats_period(const model::MemoryBalloon& balloon, unsigned seconds) {
    return {{"path", "/machine/peripheral/" + *balloon.alias},
            {"property", "guest-stats-polling-interval"},
            {"value", seconds}};
}

std::vector<Preparation> preparations(const model::Domain& live) {
    std::vector<Preparation> list;
    const auto& devices = live.devices;
    for (const auto& disk : devices.disks)
        if (disk.iotune != model::IoTune{}) list.push_back({"block_set_io_throttle", limits_of(disk)});
    for (const auto& disk : devices.disks)
        if (disk.device == model::DiskDevice::cdrom && disk.target.tray == model::Tray::open)
            list.push_back({"blockdev-open-tray", {{"id", *disk.alias}, {"force", true}}});
    for (const auto& interface : devices.interfaces)
        if (interface.link == model::LinkState::down)
            list.push_back({"set_link", {{"name", *interface.alias}, {"up", false}}});
    if (devices.memballoon && devices.memballoon->model != "none") {
        if (devices.memballoon->stats_period)
            list.push_back({"qom-set", stats_period(*devices.memballoon, *devices.memballoon->stats_period)});
        if (live.current_memory && *live.current_memory < live.memory)
            list.push_back({"balloon", {{"value", live.current_memory->bytes}}});
    }
    return list;
}

std::string native_command(model::Domain domain, const Capabilities& capabilities) {
    complete(domain, capabilities);
    assign_aliases(domain);
    if (!domain.devices.graphics.empty())
        for (auto& graphics : domain.devices.graphics)
            if (graphics.port.value_or(-1) == -1) graphics.port = 5900;
    constexpr std::uint32_t first_cid = 3; // 0 to 2 mean the host
    if (domain.devices.vsock && !domain.devices.vsock->cid) domain.devices.vsock->cid = first_cid;
    Launch launch;
    launch.folder = "/var/lib/domus/qemu/domain-" + domain.name;
    launch.now = std::time(nullptr);
    return build_command(domain, capabilities, launch).text();
}

} // namespace domus::engine::qemu
