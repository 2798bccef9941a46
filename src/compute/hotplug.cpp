// Devices that come and go while a domain runs. A device is first completed and given its place in a copy of the live
// definition; then QEMU is told step by step (engine/qemu/plug.hpp); then the live definition has it.
#include "compute/domain.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/derived.hpp"
#include "compute/disk_secrets.hpp"
#include "compute/disk_volumes.hpp"
#include "compute/gluster_rights.hpp"
#include "compute/guest_nodes.hpp"
#include "compute/host_parts.hpp"
#include "compute/images.hpp"
#include "compute/judge.hpp"
#include "compute/leases.hpp"
#include "compute/saved_definition.hpp"
#include "compute/start.hpp"
#include "compute/streams.hpp"
#include "compute/update_rules.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/plug.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;
using engine::qemu::MonitorCommand;
using engine::qemu::PlugStep;

namespace {

constexpr auto monitor_patience = 10s;
constexpr auto file_patience = 30s;
constexpr auto guest_patience = 5s; ///< for the guest to let a device go

void require_sound(const model::Domain& domain) {
    format::Findings findings;
    model::check(domain, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
}

/// Refuses what this version does not do, whether or not the definition has more of it.
void require_supported(const OneDevice& device, const model::Devices& beside) {
    model::Domain alone;
    alone.devices = device.devices;
    std::ranges::copy(beside.graphics, std::back_inserter(alone.devices.graphics));
    format::Findings findings;
    model::find_unsupported(alone, findings);
    format::throw_findings(findings, ErrorDomain::domain, fmt::format("<{}>", device.element));
}

/// The definition with one device more, complete.
model::Domain with_device(model::Domain domain, const OneDevice& device, unsigned spare_ports) {
    require_supported(device, domain.devices);
    add_device(domain.devices, device);
    engine::qemu::complete_devices(domain, {.spare_ports = spare_ports});
    require_sound(domain);
    return domain;
}

/// What was chosen for it that both definitions are to have alike.
void fix_choices(OneDevice& device, const model::Domain& completed) {
    if (device.element == "interface") device.devices.interfaces.front().mac = completed.devices.interfaces.back().mac;
}

Error cannot_plug(std::string what, std::string hint = "use --config: it is there after the next start") {
    return Error(ErrorCode::operation_unsupported, ErrorDomain::qemu, std::move(what)).hint(std::move(hint));
}

/// Buses that a running machine takes devices on.
void require_hot_bus(const OneDevice& device) {
    using model::DiskBus, model::InputBus;
    if (device.element == "disk") {
        const auto bus = device.devices.disks.front().target.bus.value_or(DiskBus::virtio);
        if (bus != DiskBus::virtio && bus != DiskBus::scsi && bus != DiskBus::usb)
            throw cannot_plug(fmt::format("disk bus '{}' cannot be hotplugged.", format::word(bus)),
                              "take bus 'virtio', 'scsi' or 'usb', or use --config");
    }
    if (device.element == "input") {
        const auto bus = device.devices.inputs.front().bus.value_or(InputBus::usb);
        if (bus != InputBus::usb && bus != InputBus::virtio)
            throw cannot_plug(fmt::format("input device on bus '{}' cannot be hot plugged.", format::word(bus)),
                              "take bus 'usb' or 'virtio', or use --config");
    }
}

/// Aliases that `after` has and `before` has not; controllers first, since the others sit on them.
std::vector<std::string> new_aliases(const model::Devices& before, const model::Devices& after) {
    const auto known = aliases(before);
    std::vector<std::string> fresh;
    for (const bool controllers : {true, false})
        model::for_each_device(after, [&](std::string_view element, const auto& device) {
            if ((element == "controller") == controllers && device.alias && !known.contains(*device.alias))
                fresh.push_back(*device.alias);
        });
    return fresh;
}

void require_free_port(const model::Devices& after, const std::vector<std::string>& fresh) {
    for (const auto& controller : after.controllers)
        if (controller.type == model::ControllerType::pci
            && std::ranges::find(fresh, controller.alias.value_or("")) != fresh.end())
            throw Error(ErrorCode::internal_error, ErrorDomain::qemu, "internal error: No more available PCI slots")
                .because("every hot-pluggable PCI Express port of the running domain is in use")
                .hint("add <controller type='pci' model='pcie-root-port'/> to the definition, as many as devices are "
                      "to come, and restart the domain");
}

/// The first set of descriptors that QEMU does not have.
unsigned free_set(const json::value& sets) {
    unsigned next = 1;
    for (const auto& set : sets.as_array())
        next = std::max(next, set.as_object().at("fdset-id").to_number<unsigned>() + 1);
    return next;
}

/// Sets that were passed for a device.
std::vector<MonitorCommand> sets_of(const json::value& sets, std::string_view alias) {
    std::vector<MonitorCommand> commands;
    for (const auto& set : sets.as_array())
        for (const auto& fd : set.as_object().at("fds").as_array()) {
            const auto* opaque = fd.as_object().if_contains("opaque");
            if (!opaque || *opaque != json::string_view(alias)) continue;
            commands.push_back({"remove-fd", {{"fdset-id", set.as_object().at("fdset-id")}}});
            break;
        }
    return commands;
}

/// Whether something of the domain is plugged into that controller.
bool in_use(const model::Devices& devices, const model::Controller& controller) {
    using model::AddressType, model::ControllerType;
    const auto index = controller.index.value_or(0);
    bool used = false;
    model::for_each_device(devices, [&](std::string_view element, const auto& device) {
        if (!device.address || element == "controller") return;
        const auto& at = *device.address;
        if (controller.type == ControllerType::usb)
            used |= at.type == AddressType::usb && at.bus == index;
        else if (controller.type == ControllerType::virtio_serial)
            used |= at.type == AddressType::virtio_serial && at.controller == index;
        else if (element == "disk")
            used |= at.type == AddressType::drive && at.controller == index;
    });
    return used;
}

/// A guest can hold the door shut; it is asked, and given a while.
Task<> open_tray(std::shared_ptr<Running> running, std::string alias, bool force) {
    const auto by = Deadline::in(guest_patience);
    const json::object arguments{{"id", alias}, {"force", force}};
    for (;;) {
        std::exception_ptr failure;
        try {
            (void)co_await running->monitor->execute("blockdev-open-tray", arguments, Deadline::in(monitor_patience));
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return;
        if (by.expired()) break;
        co_await sleep_until(Deadline::in(500ms));
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the guest has locked the drive '{}'", alias))
        .hint("let the guest eject or unmount it, or take the medium away with --force");
}

/// The terminals that QEMU made for what was plugged in.
using Terminals = std::map<std::string, std::string>;

void note_terminal(const PlugStep& step, const json::value& answer, Terminals& terminals) {
    if (step.command.name != "chardev-add" || !answer.is_object()) return;
    if (const auto* path = answer.as_object().if_contains("pty"))
        terminals[std::string(step.command.arguments.at("id").as_string())] = std::string(path->as_string());
}

/// Whether a volume was on a server, and so had one, is not known any more.
bool is_lease(const MonitorCommand& command) {
    const auto* node = command.arguments.if_contains("node-name");
    return command.name == "blockdev-del" && node && node->as_string().ends_with("-lease");
}

bool is_absent(std::exception_ptr trouble) { return describe(trouble).contains("Failed to find node"); }

/// One after the other, whatever becomes of each.
Task<> take_back(std::shared_ptr<Running> running, std::vector<MonitorCommand> commands, std::string name) {
    for (auto& command : commands) {
        const bool perhaps = is_lease(command);
        std::exception_ptr trouble;
        try {
            (void)co_await running->monitor->execute(command.name, std::move(command.arguments),
                                                     Deadline::in(monitor_patience));
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble && !(perhaps && is_absent(trouble)))
            log::warning("domain '{}': '{}' while taking a device back: {}", name, command.name, describe(trouble));
    }
}

Task<json::value> run_step(std::shared_ptr<Running> running, PlugStep step) {
    const auto by = Deadline::in(monitor_patience);
    if (!step.fd) {
        auto answer = co_await running->monitor->execute(step.command.name, std::move(step.command.arguments), by);
        co_return answer;
    }
    auto fd = duplicate(step.fd->get());
    auto answer = co_await running->monitor->execute_with_fd(step.command.name, std::move(step.command.arguments),
                                                             std::move(fd), by);
    co_return answer;
}

/// All steps, or none.
Task<Terminals> run_plan(std::shared_ptr<Running> running, std::vector<PlugStep> steps, std::string name) {
    std::vector<MonitorCommand> undo;
    Terminals terminals;
    std::exception_ptr failure;
    try {
        std::int64_t passed = -1;
        for (auto& step : steps) {
            if (!step.opens_passed.empty())
                step.command.arguments[step.opens_passed] = fmt::format("/dev/fd/{}", passed);
            const auto answer = co_await run_step(running, step);
            if (step.command.name == "add-fd") passed = answer.as_object().at("fd").to_number<std::int64_t>();
            note_terminal(step, answer, terminals);
            if (!step.undo.name.empty()) undo.push_back(step.undo);
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return terminals;
    std::ranges::reverse(undo);
    co_await take_back(running, std::move(undo), name);
    std::rethrow_exception(failure);
}

// ---- opening what a device needs ----------------------------------------------------------------------------------

/// A disk's images, opened with the rights of the caller in a lane of their own: what hangs there holds up nobody.
Task<std::pair<model::Disk, engine::qemu::Launch>> open_in_lane(Environment& environment, model::Disk disk,
                                                                Credentials caller, std::string domain,
                                                                Locking locking = Locking::now) {
    Lane lane(environment.executor, fmt::format("an image of domain '{}'", domain), 1);
    auto work = [disk, opener = opener_for(environment, caller), locking,
                 locks = environment.store.folders().locks]() mutable {
        engine::qemu::Launch opened;
        open_disk(opener, disk, opened, locks, locking);
        model::Devices one;
        one.disks.push_back(disk);
        open_streams(opener.who, one, opened);
        return std::pair(std::move(disk), std::move(opened));
    };
    auto opened = co_await lane.run(Deadline::in(file_patience), std::move(work));
    co_return opened;
}

/// A device on its way into a running domain.
struct Plan {
    model::Domain live;             ///< the live definition with the device, and with what was chosen for it
    std::vector<std::string> fresh; ///< aliases of what is new
    engine::qemu::CapabilitiesPtr capabilities;
    engine::qemu::Launch launch;
    std::string folder;             ///< the daemon's, for sockets
    std::optional<GuestUser> user;  ///< of the running process
    std::vector<model::Disk> named; ///< the disks, as definitions name them
    std::vector<std::string> ports; ///< on networks, to be given back if it fails

    bool is_new(const std::optional<std::string>& alias) const {
        return alias && std::ranges::find(fresh, *alias) != fresh.end();
    }
};

/// What streams lead to, and option ROMs.
Task<> open_files_in_lane(Environment& environment, Plan& plan, Credentials caller, std::string domain) {
    model::Devices fresh;
    const auto take = [&](const auto& from, auto& to) {
        std::ranges::copy_if(from, std::back_inserter(to),
                             [&](const auto& device) { return plan.is_new(device.alias); });
    };
    take(plan.live.devices.channels, fresh.channels);
    take(plan.live.devices.interfaces, fresh.interfaces);
    take(plan.live.devices.hostdevs, fresh.hostdevs);
    take(plan.live.devices.redirdevs, fresh.redirdevs);
    take(plan.live.devices.rngs, fresh.rngs);
    take(plan.live.devices.shmems, fresh.shmems);
    Lane lane(environment.executor, fmt::format("a file of domain '{}'", domain), 1);
    auto work = [fresh = std::move(fresh), caller, user = plan.user, sharing = environment.settings.sharing_group()] {
        engine::qemu::Launch opened;
        open_streams(caller, fresh, opened);
        if (user) open_shared_memory(fresh.shmems, sharing.value_or(user->gid), opened);
        for (const auto& interface : fresh.interfaces) open_rom(caller, user, interface.rom, opened);
        for (const auto& hostdev : fresh.hostdevs) open_rom(caller, user, hostdev.rom, opened);
        return opened;
    };
    auto opened = co_await lane.run(Deadline::in(file_patience), std::move(work));
    plan.launch.characters.merge(opened.characters);
    plan.launch.logs.merge(opened.logs);
    plan.launch.helpers.merge(opened.helpers);
    plan.launch.files.merge(opened.files);
}

/// One that is missing cannot be left out here.
Task<> find_on_host(Environment& environment, const OneDevice& device) {
    model::Domain alone;
    alone.devices = device.devices;
    for (auto& hostdev : alone.devices.hostdevs) hostdev.startup_policy.reset();
    if (!needs_host_parts(alone)) co_return;
    auto work = [alone = std::move(alone)]() mutable { require_host_parts(alone); };
    co_await environment.files.run(Deadline::in(file_patience), std::move(work));
}

Task<> open_new_devices(Environment& environment, Plan& plan, Credentials caller, std::string domain) {
    for (auto& disk : plan.live.devices.disks) {
        if (!plan.is_new(disk.alias)) continue;
        disk = co_await placed(environment, disk);
        auto opened = co_await open_in_lane(environment, disk, caller, domain);
        disk = std::move(opened.first);
        plan.launch.disks = std::move(opened.second.disks);
        plan.launch.helpers.merge(opened.second.helpers);
        co_await require_gluster_rights(disk, plan.user);
        plan.launch.secrets = co_await disk_secrets(environment, disk);
    }
    for (auto& interface : plan.live.devices.interfaces) {
        if (!plan.is_new(interface.alias)) continue;
        co_await attach_interface(environment, interface, plan.live.type, domain, plan.launch);
        if (has_tap(environment, interface) && interface.target_dev) plan.ports.push_back(*interface.target_dev);
    }
    std::vector<CharacterSocket> sockets;
    for (auto& channel : plan.live.devices.channels) {
        if (!plan.is_new(channel.alias)) continue;
        if (auto socket = listens_on(channel, plan.folder, caller)) sockets.push_back(std::move(*socket));
        channel.target.state = "disconnected";
    }
    co_await listen_on_characters(environment, std::move(sockets), domain, plan.launch);
    co_await open_files_in_lane(environment, plan, caller, domain);
}

Task<std::vector<PlugStep>> steps_of(std::shared_ptr<Running> running, const Plan& plan) {
    const auto sets = co_await running->monitor->execute("query-fdsets", {}, Deadline::in(monitor_patience));
    std::vector<PlugStep> steps;
    auto next_set = free_set(sets);
    for (const auto& alias : plan.fresh) {
        auto more = engine::qemu::plug_steps(plan.live, alias, *plan.capabilities, plan.launch, next_set);
        next_set += static_cast<unsigned>(more.size());
        std::ranges::move(more, std::back_inserter(steps));
    }
    co_return steps;
}

void note_terminals(model::Domain& live, const Terminals& terminals) {
    for (auto& channel : live.devices.channels)
        if (const auto path = terminals.find("char" + channel.alias.value_or("")); path != terminals.end())
            channel.source().path = path->second;
}

/// Bytes that a memory module has; 0 for other devices. The domain's memory counts its modules.
std::uint64_t module_size(const model::Devices& devices, const std::string& alias) {
    const auto found = std::ranges::find(devices.memories, std::optional(alias), &model::MemoryDevice::alias);
    return found == devices.memories.end() ? 0 : found->size.bytes;
}

// ---- media --------------------------------------------------------------------------------------------------------

/// What the drive is to have: the medium and how it is read; the rest of the drive stays.
void set_medium(model::Disk& drive, const model::Disk& wanted) {
    drive.type = wanted.type;
    drive.source = wanted.source;
    drive.driver.type = wanted.driver.type ? wanted.driver.type : std::optional<std::string>("raw");
    drive.backing_store = wanted.backing_store;
    drive.target.tray =
        wanted.source.empty() && wanted.target.tray == model::Tray::open ? wanted.target.tray : std::nullopt;
}

/// Takes the medium out of an open drive, and frees what `old` names and the descriptors that it had.
Task<> take_medium(std::shared_ptr<Running> running, std::string alias, std::vector<MonitorCommand> old,
                   std::string name) {
    const auto sets = co_await running->monitor->execute("query-fdsets", {}, Deadline::in(monitor_patience));
    json::object drive{{"id", alias}};
    co_await running->monitor->execute("blockdev-remove-medium", std::move(drive), Deadline::in(monitor_patience));
    std::ranges::move(sets_of(sets, alias), std::back_inserter(old));
    co_await take_back(running, std::move(old), name);
}

Task<> insert_medium(std::shared_ptr<Running> running, std::string alias, std::vector<PlugStep> steps, std::string node,
                     std::string name) {
    json::object insertion{{"id", alias}, {"node-name", node}};
    PlugStep insert;
    insert.command = {"blockdev-insert-medium", std::move(insertion)};
    steps.push_back(std::move(insert));
    (void)co_await run_plan(running, std::move(steps), name);
}

/// A device whose end is being dealt with: what the monitor repeats meanwhile is ignored.
class Leaving {
public:
    Leaving(std::shared_ptr<Running> running, std::string alias)
        : running_(std::move(running)), alias_(std::move(alias)) {
        running_->leaving.insert(alias_);
    }
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    ~Leaving() { running_->leaving.erase(alias_); }

private:
    std::shared_ptr<Running> running_;
    std::string alias_;
};

} // namespace

Task<> Domain::attach_device(std::string xml, Impact impact, Credentials caller) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("attach device");
    impact = resolve(impact);
    auto device = parse_device(xml);
    constexpr unsigned spare_ports = 1;
    std::optional<model::Domain> config;
    if (impact.config) {
        config = with_device(parse_definition(*definition_), device, spare_ports);
        fix_choices(device, *config);
    }
    co_await require_rights_of_change(caller, device.devices, config ? &*config : nullptr);
    if (impact.live) co_await plug(std::move(device), caller);
    if (config) co_await save_definition(std::move(*config), caller);
}

Task<> Domain::require_rights_of_change(Credentials caller, model::Devices devices, const model::Domain* config) {
    if (caller.unrestricted()) co_return;
    model::Domain coming;
    if (config)
        coming = *config;
    else
        coming.devices = std::move(devices);
    co_await require_rights(environment_, std::move(caller), std::move(coming));
}

Task<> Domain::plug(OneDevice device, Credentials caller) {
    const auto running = require_running();
    require_hot_bus(device);
    close_trays(device.devices);
    engine::qemu::require_pluggable(device.element, 0);
    co_await find_on_host(environment_, device);
    Plan plan;
    plan.live = with_device(*running->domain, device, 0);
    engine::qemu::assign_aliases(plan.live);
    plan.named = plan.live.devices.disks;
    plan.fresh = new_aliases(running->domain->devices, plan.live.devices);
    require_free_port(plan.live.devices, plan.fresh);
    plan.capabilities = co_await environment_.qemu->capabilities(plan.live.devices.emulator.value_or(""));
    plan.launch.folder = running->guest_folder();
    plan.folder = running->folder;
    plan.user = running->user;

    const auto completed = std::make_shared<const model::Domain>(plan.live);
    std::exception_ptr failure;
    Terminals terminals;
    try {
        co_await open_new_devices(environment_, plan, caller, name_);
        co_await give_nodes(environment_, running, completed, plan.fresh);
        auto steps = co_await steps_of(running, plan);
        terminals = co_await run_plan(running, std::move(steps), name_);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        for (const auto& port : plan.ports) co_await environment_.networks->detach(port);
        co_await take_nodes(environment_, running, completed, plan.fresh);
        std::rethrow_exception(failure);
    }
    note_terminals(plan.live, terminals);
    auto known = std::make_shared<model::Domain>(plan.live);
    try {
        co_await learn_derived(running, known);
    } catch (const Error& error) { // it is plugged in all the same
        log::warning("domain '{}': what QEMU has chosen for the new device is not known: {}", name_, error.message());
    }
    plan.live = std::move(*known);
    if (running_ != running) not_running();
    auto shown = plan.live.devices;
    name_volumes(shown.disks, plan.named);
    change_live([&](model::Domain& now) {
        for (const auto& alias : plan.fresh) {
            copy_alias(shown, alias, now.devices);
            now.memory.bytes += module_size(shown, alias);
            if (now.current_memory) now.current_memory->bytes += module_size(shown, alias);
        }
    });
    for (const auto& disk : plan.live.devices.disks)
        if (plan.is_new(disk.alias)) co_await write_leases(environment_, name_, uuid_, written_images(disk), caller);
    for (const auto& alias : plan.fresh) emit(event::DeviceAdded{alias});
    for (const auto& channel : plan.live.devices.channels)
        if (plan.is_new(channel.alias))
            spawn(environment_.executor, keep_logs(running), fmt::format("the logs of domain '{}'", name_));
}

Task<> Domain::detach_device(std::string xml, Impact impact) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("detach device");
    impact = resolve(impact);
    const auto device = parse_device(xml);
    std::optional<model::Domain> config;
    if (impact.config) {
        config = parse_definition(*definition_);
        remove_device(config->devices, device);
        require_sound(*config);
    }
    if (impact.live) {
        engine::qemu::require_pluggable(device.element, 0);
        co_await unplug(compute::alias_of(running_->domain->devices, device), true);
    }
    if (config) co_await save_definition(std::move(*config));
}

Task<> Domain::detach_alias(std::string alias, Impact impact) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("detach device");
    impact = resolve(impact);
    std::optional<model::Domain> config;
    const auto missing = [&] {
        return Error(ErrorCode::device_missing, ErrorDomain::qemu,
                     fmt::format("device not found: no device found with alias {}", alias));
    };
    if (impact.config) {
        config = parse_definition(*definition_);
        if (!element_of(config->devices, alias))
            throw missing().hint("a persistent definition keeps only aliases that begin with 'ua-'");
        remove_alias(config->devices, alias);
        require_sound(*config);
    }
    if (impact.live) {
        if (!element_of(running_->domain->devices, alias))
            throw missing().hint(fmt::format("see <alias> in 'domus dumpxml {}'", name_));
        co_await unplug(alias, false);
    }
    if (config) co_await save_definition(std::move(*config));
}

Task<> Domain::unplug(std::string alias, bool wait) {
    const auto running = require_running();
    const auto element = element_of(running->domain->devices, alias).value_or("");
    engine::qemu::require_pluggable(element, 0);
    for (const auto& controller : running->domain->devices.controllers)
        if (controller.alias == alias
            && (controller.type == model::ControllerType::pci || in_use(running->domain->devices, controller)))
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        "operation failed: device cannot be detached: device is busy")
                .because(fmt::format("devices sit on controller '{}'", alias));
    running->refused.clear();
    json::object arguments{{"id", alias}};
    co_await running->monitor->execute("device_del", std::move(arguments), Deadline::in(monitor_patience));
    const auto by = Deadline::in(guest_patience);
    while (wait && running_ == running && element_of(running->domain->devices, alias) && running->refused != alias) {
        const bool told = co_await running->unplugged.wait(by);
        if (!told) break;
    }
    if (running->refused == alias)
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: unplug of device was rejected by the guest: '{}'", alias))
            .hint("see the guest's kernel log; a disk that is mounted, or a guest without PCI hotplug, keeps it");
    if (wait && running_ == running && element_of(running->domain->devices, alias))
        log::warning("domain '{}': the guest has not let go of device '{}' within 5 s; it goes when the guest does",
                     name_, alias);
}

Task<> Domain::device_gone(std::shared_ptr<Running> running, std::string alias) {
    const auto self = shared_from_this();
    const Leaving leaving(running, alias);
    if (running_ != running || !element_of(running->domain->devices, alias)) co_return;
    const auto capabilities = co_await environment_.qemu->capabilities(running->domain->devices.emulator.value_or(""));
    const auto sets = co_await running->monitor->execute("query-fdsets", {}, Deadline::in(monitor_patience));
    auto commands = engine::qemu::leftovers(*running->domain, alias, *capabilities);
    std::ranges::move(sets_of(sets, alias), std::back_inserter(commands));
    co_await take_back(running, std::move(commands), name_);
    if (running_ != running) co_return;
    std::optional<std::string> port;
    for (const auto& interface : running->domain->devices.interfaces)
        if (interface.alias == alias) port = interface.target_dev;
    if (port && environment_.networks) co_await environment_.networks->detach(*port);
    std::vector<std::string> one;
    one.push_back(alias);
    co_await take_nodes(environment_, running, running->domain, std::move(one));
    std::vector<model::Disk> own;
    for (const auto& disk : running->domain->devices.disks)
        if (disk.alias == alias) own.push_back(disk);
    auto images = co_await images_written(environment_, std::move(own));
    co_await remove_leases(environment_, name_, uuid_, std::move(images));
    if (running_ != running) co_return;
    change_live([&](model::Domain& live) {
        const auto size = module_size(live.devices, alias);
        live.memory.bytes -= std::min(live.memory.bytes, size);
        if (live.current_memory) live.current_memory->bytes -= std::min(live.current_memory->bytes, size);
        remove_alias(live.devices, alias);
    });
    emit(event::DeviceRemoved{alias});
    running->unplugged.notify_all();
}

// ---- changing a device ----------------------------------------------------------------------------------------

Task<> Domain::update_device(std::string xml, Impact impact, bool force, Credentials caller) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("update device");
    impact = resolve(impact);
    const auto device = parse_update(xml);
    std::optional<model::Domain> config;
    if (impact.live) require_supported(device, running_->domain->devices);
    if (impact.config) {
        config = parse_definition(*definition_);
        require_supported(device, config->devices);
        replace_device(config->devices, device);
        engine::qemu::complete_devices(*config);
        require_sound(*config);
    }
    co_await require_rights_of_change(caller, device.devices, config ? &*config : nullptr);
    if (impact.live) co_await update_live(device, force, caller);
    if (config) co_await save_definition(std::move(*config), caller);
}

Task<> Domain::update_live(OneDevice device, bool force, Credentials caller) {
    if (device.element == "disk") {
        co_await change_medium(device.devices.disks.front(), force, caller);
    } else if (device.element == "interface") {
        co_await set_link(device.devices.interfaces.front());
    } else if (device.element == "graphics") {
        co_await set_password(device.devices.graphics.front());
    } else {
        throw cannot_plug(fmt::format("live update of device '{}' is not supported", device.element));
    }
}

Task<> Domain::change_medium(model::Disk wanted, bool force, Credentials caller) {
    const auto running = require_running();
    OneDevice one;
    one.element = "disk";
    one.devices.disks.push_back(wanted);
    const auto alias = compute::alias_of(running->domain->devices, one);
    auto live = *running->domain;
    auto& disk =
        *std::ranges::find(live.devices.disks, alias, [](const auto& each) { return each.alias.value_or(""); });
    if (disk.device != model::DiskDevice::cdrom && disk.device != model::DiskDevice::floppy)
        throw cannot_plug(
            fmt::format("disk '{}' is no drive whose medium could be changed while the domain runs", disk.target.dev));
    if (disk.device == model::DiskDevice::floppy && wanted.target.tray == model::Tray::open)
        throw cannot_plug(fmt::format("floppy drive '{}' has no tray that could be opened", disk.target.dev),
                          "leave tray='open' out");
    const auto capabilities = co_await environment_.qemu->capabilities(live.devices.emulator.value_or(""));
    std::vector<model::Disk> before;
    before.push_back(disk);
    const auto images_before = co_await images_written(environment_, std::move(before));
    std::vector<MonitorCommand> old;
    if (!disk.source.empty()) old = engine::qemu::leftovers(live, alias, *capabilities);
    set_medium(disk, wanted);
    wanted.readonly |= disk.readonly; // <readonly/> is only missing
    wanted.shareable |= disk.shareable;
    wanted.transient |= disk.transient;
    require_applied("disk", disk, wanted);
    require_sound(live);
    const auto named = disk;

    engine::qemu::Launch launch;
    std::vector<PlugStep> steps;
    if (!disk.source.empty()) { // nothing is taken out before what is to come in is open
        disk = co_await placed(environment_, disk);
        // The same image once more: its lock is free only when the old medium is out.
        const auto locking =
            !images_before.empty() && written_images(disk) == images_before ? Locking::by_qemu : Locking::now;
        auto opened = co_await open_in_lane(environment_, disk, caller, name_, locking);
        disk = std::move(opened.first);
        launch = std::move(opened.second);
        co_await require_gluster_rights(disk, running->user);
        launch.secrets = co_await disk_secrets(environment_, disk);
        const auto sets = co_await running->monitor->execute("query-fdsets", {}, Deadline::in(monitor_patience));
        steps = engine::qemu::medium_steps(live, alias, *capabilities, launch, free_set(sets));
    }
    co_await open_tray(running, alias, force);
    co_await take_medium(running, alias, std::move(old), name_);
    std::exception_ptr failure;
    try {
        if (!disk.source.empty())
            co_await insert_medium(running, alias, std::move(steps), engine::qemu::node_of(disk), name_);
    } catch (...) {
        failure = std::current_exception();
        disk.source = {}; // the drive is empty now
        disk.backing_store.clear();
    }
    auto shown = disk;
    name_volume(shown, named);
    if (running_ != running) not_running();
    json::object drive{{"id", alias}};
    if (disk.target.tray != model::Tray::open)
        co_await running->monitor->execute("blockdev-close-tray", std::move(drive), Deadline::in(monitor_patience));
    change_live([&](model::Domain& now) {
        for (auto& each : now.devices.disks)
            if (each.alias == alias) each = shown;
    });
    if (written_images(disk) != images_before) {
        co_await remove_leases(environment_, name_, uuid_, images_before);
        co_await write_leases(environment_, name_, uuid_, written_images(disk), caller);
    }
    if (failure) std::rethrow_exception(failure);
}

Task<> Domain::set_link(model::Interface wanted) {
    const auto running = require_running();
    OneDevice one;
    one.element = "interface";
    one.devices.interfaces.push_back(wanted);
    const auto alias = compute::alias_of(running->domain->devices, one);
    const auto& now = *std::ranges::find(running->domain->devices.interfaces, alias,
                                         [](const auto& each) { return each.alias.value_or(""); });
    const bool same_place = wanted.type == now.type && wanted.source.network == now.source.network
                            && (now.type == model::InterfaceType::network || wanted.source.bridge == now.source.bridge)
                            && wanted.model.value_or(now.model.value_or("")) == now.model.value_or("");
    if (!same_place)
        throw cannot_plug(
            fmt::format("interface '{}' cannot be moved to another network or model while the domain runs", alias),
            "detach it and attach another one, or use --config");
    auto applied = now;
    applied.link = wanted.link;
    require_applied("interface", applied, wanted);
    const bool up = wanted.link.value_or(model::LinkState::up) == model::LinkState::up;
    json::object arguments{{"name", alias}, {"up", up}};
    co_await running->monitor->execute("set_link", std::move(arguments), Deadline::in(monitor_patience));
    change_live([&](model::Domain& live) {
        for (auto& each : live.devices.interfaces)
            if (each.alias == alias) each.link = wanted.link;
    });
}

Task<> Domain::set_password(model::Graphics wanted) {
    const auto running = require_running();
    const auto& displays = running->domain->devices.graphics;
    const auto found = std::ranges::find(displays, wanted.type, &model::Graphics::type);
    if (found == displays.end())
        throw Error(ErrorCode::device_missing, ErrorDomain::qemu,
                    fmt::format("device not found: domain has no display of type '{}'", format::word(wanted.type)));
    if (wanted.type != model::GraphicsType::vnc && wanted.type != model::GraphicsType::spice)
        throw cannot_plug(fmt::format("a display of type '{}' has no password", format::word(wanted.type)));
    auto applied = *found;
    applied.passwd = wanted.passwd;
    applied.connected = wanted.connected;
    for (auto port : {&model::Graphics::port, &model::Graphics::tls_port, &model::Graphics::websocket})
        if (wanted.*port == -1) wanted.*port = applied.*port; // one that was chosen
    require_applied("graphics", applied, wanted);
    if (!wanted.passwd) throw cannot_plug("of a display only the password can be changed while the domain runs");
    json::object arguments{{"protocol", format::word(wanted.type)}, {"password", *wanted.passwd}};
    if (wanted.connected) arguments["connected"] = format::word(*wanted.connected);
    co_await running->monitor->execute("set_password", std::move(arguments), Deadline::in(monitor_patience));
    change_live([&](model::Domain& live) {
        for (auto& each : live.devices.graphics)
            if (each.type == wanted.type) each.passwd = wanted.passwd;
    });
}

} // namespace domus::compute
