// Devices that come and go while a domain runs. A device is first completed and given its place in a copy of the live
// definition; then the machine plugs it in; then the live definition has it.
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
#include "format/xml.hpp"
#include "model/unsupported.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto file_timeout = 30s;
constexpr auto guest_timeout = 5s; ///< for the guest to let a device go

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
model::Domain with_device(const engine::Engine& engine, model::Domain domain, const OneDevice& device,
                          unsigned spare_ports) {
    require_supported(device, domain.devices);
    add_device(domain.devices, device);
    engine.complete_devices(domain, spare_ports);
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

// ---- opening what a device needs ----------------------------------------------------------------------------------

/// A disk's images, opened with the rights of the caller in a lane of their own: what hangs there holds up nobody.
Task<std::pair<model::Disk, engine::Launch>> open_in_lane(Environment& environment, model::Disk disk,
                                                          Credentials caller, std::string domain,
                                                          Locking locking = Locking::now) {
    Lane lane(environment.executor, fmt::format("an image of domain '{}'", domain), 1);
    auto work = [disk, opener = opener_for(environment, caller), locking,
                 locks = environment.store.folders().locks]() mutable {
        engine::Launch opened;
        open_disk(opener, disk, opened, locks, locking);
        model::Devices one;
        one.disks.push_back(disk);
        open_streams(opener.who, one, opened);
        return std::pair(std::move(disk), std::move(opened));
    };
    auto opened = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    co_return opened;
}

/// A device on its way into a running domain.
struct Plan {
    model::Domain live;             ///< the live definition with the device, and with what was chosen for it
    std::vector<std::string> fresh; ///< aliases of what is new
    engine::Launch launch;
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
        engine::Launch opened;
        open_streams(caller, fresh, opened);
        if (user) open_shared_memory(fresh.shmems, sharing.value_or(user->gid), opened);
        for (const auto& interface : fresh.interfaces) open_rom(caller, user, interface.rom, opened);
        for (const auto& hostdev : fresh.hostdevs) open_rom(caller, user, hostdev.rom, opened);
        return opened;
    };
    auto opened = co_await lane.run(Deadline::in(file_timeout), std::move(work));
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
    co_await environment.files.run(Deadline::in(file_timeout), std::move(work));
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

void note_terminals(model::Domain& live, const std::map<std::string, std::string>& terminals) {
    for (auto& channel : live.devices.channels)
        if (const auto path = terminals.find(channel.alias.value_or("")); path != terminals.end())
            channel.source().path = path->second;
}

/// Bytes that a memory module has; 0 for other devices. The domain's memory counts its modules.
std::uint64_t module_size(const model::Devices& devices, const std::string& alias) {
    const auto found = std::ranges::find(devices.memories, std::optional(alias), &model::MemoryDevice::alias);
    return found == devices.memories.end() ? 0 : found->size.bytes;
}

/// What the machine has chosen for it.
Task<model::Domain> learn_new(std::shared_ptr<Running> running, model::Domain live, std::string name) {
    try {
        auto known = co_await running->guest().learn(live);
        co_return known;
    } catch (const engine::GuestGone&) {
        throw;
    } catch (const Error& error) { // it is plugged in all the same
        log::warning("domain '{}': what its machine has chosen for the new device is not known: {}", name,
                     error.message());
    }
    co_return live;
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

/// A device whose end is being dealt with: what the machine repeats meanwhile is ignored.
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
        config = with_device(*environment_.engine, parse_definition(*definition_), device, spare_ports);
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
    environment_.engine->require_pluggable(device.element);
    co_await find_on_host(environment_, device);
    Plan plan;
    plan.live = with_device(*environment_.engine, *running->domain, device, 0);
    environment_.engine->assign_aliases(plan.live);
    plan.named = plan.live.devices.disks;
    plan.fresh = new_aliases(running->domain->devices, plan.live.devices);
    require_free_port(plan.live.devices, plan.fresh);
    plan.launch.folder = running->guest_folder();
    plan.folder = running->folder;
    plan.user = running->user;

    const auto completed = std::make_shared<const model::Domain>(plan.live);
    std::exception_ptr failure;
    std::map<std::string, std::string> terminals;
    try {
        co_await open_new_devices(environment_, plan, caller, name_);
        co_await give_nodes(environment_, running, completed, plan.fresh);
        engine::Plugging plugging{plan.live, plan.fresh, std::move(plan.launch)};
        terminals = co_await running->guest().plug(std::move(plugging));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        for (const auto& port : plan.ports) co_await environment_.networks->detach(port);
        co_await take_nodes(environment_, running, completed, plan.fresh);
        std::rethrow_exception(failure);
    }
    note_terminals(plan.live, terminals);
    plan.live = co_await learn_new(running, plan.live, name_);
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
        environment_.engine->require_pluggable(device.element);
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
    environment_.engine->require_pluggable(element);
    for (const auto& controller : running->domain->devices.controllers)
        if (controller.alias == alias
            && (controller.type == model::ControllerType::pci || in_use(running->domain->devices, controller)))
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        "operation failed: device cannot be detached: device is busy")
                .because(fmt::format("devices sit on controller '{}'", alias));
    running->refused.clear();
    co_await running->guest().unplug(alias);
    const auto by = Deadline::in(guest_timeout);
    while (wait && !running->settled && element_of(running->domain->devices, alias) && running->refused != alias) {
        const bool told = co_await running->unplugged.wait(by);
        if (!told) break;
    }
    if (running->refused == alias)
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: unplug of device was rejected by the guest: '{}'", alias))
            .hint("see the guest's kernel log; a disk that is mounted, or a guest without PCI hotplug, keeps it");
    if (wait && !running->settled && element_of(running->domain->devices, alias))
        log::warning("domain '{}': the guest has not let go of device '{}' within 5 s; it goes when the guest does",
                     name_, alias);
}

Task<> Domain::device_gone(std::shared_ptr<Running> running, std::string alias) {
    const auto self = shared_from_this();
    const Leaving leaving(running, alias);
    if (running->settled || !element_of(running->domain->devices, alias)) co_return;
    co_await running->guest().release_device(running->domain, alias);
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
    if (running->settled) co_return;
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
        environment_.engine->complete_devices(*config, 1);
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
    std::vector<model::Disk> before;
    before.push_back(disk);
    const auto images_before = co_await images_written(environment_, std::move(before));
    engine::MediumChange change;
    change.before = live;
    change.alias = alias;
    change.force = force;
    set_medium(disk, wanted);
    wanted.readonly |= disk.readonly; // <readonly/> is only missing
    wanted.shareable |= disk.shareable;
    wanted.transient |= disk.transient;
    require_applied("disk", disk, wanted);
    require_sound(live);
    const auto named = disk;

    if (!disk.source.empty()) { // nothing is taken out before what is to come in is open
        disk = co_await placed(environment_, disk);
        // The same image once more: its lock is free only when the old medium is out.
        const auto locking =
            !images_before.empty() && written_images(disk) == images_before ? Locking::by_qemu : Locking::now;
        auto opened = co_await open_in_lane(environment_, disk, caller, name_, locking);
        disk = std::move(opened.first);
        change.launch = std::move(opened.second);
        co_await require_gluster_rights(disk, running->user);
        change.launch.secrets = co_await disk_secrets(environment_, disk);
    }
    change.after = live;
    const auto failure = co_await running->guest().change_medium(std::move(change));
    if (failure) { // the drive is empty now
        disk.source = {};
        disk.backing_store.clear();
    }
    auto shown = disk;
    name_volume(shown, named);
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
    co_await running->guest().set_link(alias, up);
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
    std::optional<std::string> connected;
    if (wanted.connected) connected = std::string(format::word(*wanted.connected));
    co_await running->guest().set_display_password(wanted.type, *wanted.passwd, std::move(connected));
    change_live([&](model::Domain& live) {
        for (auto& each : live.devices.graphics)
            if (each.type == wanted.type) each.passwd = wanted.passwd;
    });
}

} // namespace domus::compute
