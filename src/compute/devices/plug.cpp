// A device on its way into a domain: completed and given its place in a copy of the live definition first; then the
// machine plugs it in; then the live definition has it.
#include "compute/devices/device_change.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/devices/guest_nodes.hpp"
#include "compute/disks/disk_secrets.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/life/gluster_rights.hpp"
#include "compute/life/guest.hpp"
#include "compute/life/host_ends.hpp"
#include "compute/life/host_parts.hpp"
#include "compute/life/images.hpp"
#include "compute/life/leases.hpp"
#include "compute/life/streams.hpp"
#include "compute/memory/saved_definition.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace domus::compute {

namespace {

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
    const network::PortOwner owner{domain, plan.live.uuid.value_or(Uuid())};
    for (auto& interface : plan.live.devices.interfaces) {
        if (!plan.is_new(interface.alias)) continue;
        co_await attach_interface(environment, interface, plan.live.type, owner, plan.launch);
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

Plan plan_of(const Environment& environment, const Running& running, const OneDevice& device) {
    Plan plan;
    plan.live = with_device(*environment.engine, *running.domain, device, 0);
    environment.engine->assign_aliases(plan.live);
    plan.named = plan.live.devices.disks;
    plan.fresh = new_aliases(running.domain->devices, plan.live.devices);
    require_free_port(plan.live.devices, plan.fresh);
    plan.launch.folder = running.guest_folder();
    plan.folder = running.folder;
    plan.user = running.user;
    return plan;
}

/// Opens what it needs and hands it to the machine; or nothing of it has happened.
Task<> insert(DomainPtr domain, std::shared_ptr<Running> running, Plan& plan, Credentials caller) {
    auto& environment = domain->environment();
    const auto completed = std::make_shared<const model::Domain>(plan.live);
    std::exception_ptr failure;
    try {
        co_await open_new_devices(environment, plan, caller, domain->name());
        co_await give_nodes(environment, running, completed, plan.fresh);
        engine::Plugging plugging{plan.live, plan.fresh, std::move(plan.launch)};
        const auto terminals = co_await running->guest().plug(std::move(plugging));
        note_terminals(plan.live, terminals);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    for (const auto& port : plan.ports) co_await environment.networks->detach(port);
    co_await take_nodes(environment, running, completed, plan.fresh);
    std::rethrow_exception(failure);
}

void note_plugged(Domain& domain, const Plan& plan) {
    auto shown = plan.live.devices;
    name_volumes(shown.disks, plan.named);
    domain.change_live([&](model::Domain& now) {
        for (const auto& alias : plan.fresh) {
            copy_alias(shown, alias, now.devices);
            now.memory.bytes += module_size(shown, alias);
            if (now.current_memory) now.current_memory->bytes += module_size(shown, alias);
        }
    });
}

} // namespace

Task<> attach_device(DomainPtr domain, std::string xml, Impact impact, Credentials caller) {
    const auto turn = co_await domain->turn("attach device");
    impact = domain->resolve(impact);
    auto device = parse_device(xml);
    constexpr unsigned spare_ports = 1;
    std::optional<model::Domain> config;
    if (impact.config) {
        config =
            with_device(*domain->environment().engine, parse_definition(*domain->definition()), device, spare_ports);
        fix_choices(device, *config);
    }
    co_await require_rights_of_change(domain, caller, device.devices, config);
    if (impact.live) co_await plug(domain, std::move(device), caller);
    if (config) co_await domain->save_definition(std::move(*config), caller);
}

Task<> plug(DomainPtr domain, OneDevice device, Credentials caller) {
    auto& environment = domain->environment();
    const auto running = domain->require_running();
    require_hot_bus(device);
    close_trays(device.devices);
    environment.engine->require_pluggable(device.element);
    co_await find_on_host(environment, device);
    auto plan = plan_of(environment, *running, device);
    co_await insert(domain, running, plan, caller);
    plan.live = co_await learn_new(running, plan.live, domain->name());
    note_plugged(*domain, plan);
    for (const auto& disk : plan.live.devices.disks)
        if (plan.is_new(disk.alias))
            co_await write_leases(environment, domain->name(), domain->uuid(), written_images(disk), caller);
    for (const auto& alias : plan.fresh) domain->emit(event::DeviceAdded{alias});
    for (const auto& channel : plan.live.devices.channels)
        if (plan.is_new(channel.alias))
            spawn(environment.executor, keep_logs(domain, running), fmt::format("the logs of '{}'", domain->name()));
}

} // namespace domus::compute
