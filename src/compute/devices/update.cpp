// Changes of a device: the medium in a drive, an interface's link, filter and port, a display's password.
#include "compute/devices/device_change.hpp"

#include "compute/devices/update_rules.hpp"
#include "compute/disks/disk_secrets.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/life/gluster_rights.hpp"
#include "compute/life/leases.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

namespace {

/// What the drive is to have: the medium and how it is read; the rest of the drive stays.
void set_medium(model::Disk& drive, const model::Disk& wanted) {
    drive.type = wanted.type;
    drive.source = wanted.source;
    drive.driver.type = wanted.driver.type ? wanted.driver.type : std::optional<std::string>("raw");
    drive.backing_store = wanted.backing_store;
    drive.target.tray =
        wanted.source.empty() && wanted.target.tray == model::Tray::open ? wanted.target.tray : std::nullopt;
}

/// Throws where that drive has no medium that could be changed.
void require_changeable(const model::Disk& drive, const model::Disk& wanted) {
    if (drive.device != model::DiskDevice::cdrom && drive.device != model::DiskDevice::floppy)
        throw cannot_plug(
            fmt::format("disk '{}' is no drive whose medium could be changed while the domain runs", drive.target.dev));
    if (drive.device == model::DiskDevice::floppy && wanted.target.tray == model::Tray::open)
        throw cannot_plug(fmt::format("floppy drive '{}' has no tray that could be opened", drive.target.dev),
                          "leave tray='open' out");
}

/// The drive with the medium, and nothing else of it changed.
void put_medium(model::Disk& drive, model::Disk wanted) {
    set_medium(drive, wanted);
    wanted.readonly |= drive.readonly; // <readonly/> is only missing
    wanted.shareable |= drive.shareable;
    wanted.transient |= drive.transient;
    require_applied("disk", drive, wanted);
}

struct OpenedMedium {
    model::Disk drive;
    engine::Launch launch;
};
/// `images_before`: what was in the drive. The same image once more: its lock is free only when the old medium is out.
Task<OpenedMedium> open_medium(DomainPtr domain, model::Disk drive, std::vector<std::string> images_before,
                               Credentials caller) {
    auto& environment = domain->environment();
    const auto running = domain->require_running();
    drive = co_await placed(environment, drive);
    const bool same = !images_before.empty() && written_images(drive) == images_before;
    auto opened =
        co_await open_in_lane(environment, drive, caller, domain->name(), same ? Locking::by_qemu : Locking::now);
    OpenedMedium medium{std::move(opened.first), std::move(opened.second)};
    co_await require_gluster_rights(medium.drive, running->user);
    medium.launch.secrets = co_await disk_secrets(environment, medium.drive);
    co_return medium;
}

Task<> change_leases(DomainPtr domain, std::vector<std::string> before, std::vector<std::string> after,
                     Credentials caller) {
    if (before == after) co_return;
    co_await remove_leases(domain->environment(), domain->name(), domain->uuid(), std::move(before));
    co_await write_leases(domain->environment(), domain->name(), domain->uuid(), std::move(after), std::move(caller));
}

Task<> change_medium(DomainPtr domain, model::Disk wanted, bool force, Credentials caller) {
    const auto running = domain->require_running();
    OneDevice one;
    one.element = "disk";
    one.devices.disks.push_back(wanted);
    const auto alias = compute::alias_of(running->domain->devices, one);
    auto live = *running->domain;
    auto& disk = *std::ranges::find(live.devices.disks, std::optional(alias), &model::Disk::alias);
    require_changeable(disk, wanted);
    std::vector<model::Disk> before;
    before.push_back(disk);
    auto images_before = co_await images_written(domain->environment(), std::move(before));
    engine::MediumChange change;
    change.before = live;
    change.alias = alias;
    change.force = force;
    put_medium(disk, std::move(wanted));
    require_sound(live);
    const auto named = disk;
    if (!disk.source.empty()) { // nothing is taken out before what is to come in is open
        auto medium = co_await open_medium(domain, disk, images_before, caller);
        disk = std::move(medium.drive);
        change.launch = std::move(medium.launch);
    }
    change.after = live;
    const auto failure = co_await running->guest().change_medium(std::move(change));
    if (failure) { // the drive is empty now
        disk.source = {};
        disk.backing_store.clear();
    }
    auto shown = disk;
    name_volume(shown, named);
    domain->change_live(
        [&](model::Domain& now) { *std::ranges::find(now.devices.disks, shown.alias, &model::Disk::alias) = shown; });
    co_await change_leases(domain, std::move(images_before), written_images(disk), caller);
    if (failure) std::rethrow_exception(failure);
}

bool is_bridged(const model::Interface& interface) {
    return interface.type == model::InterfaceType::network || interface.type == model::InterfaceType::bridge;
}

/// What an update may change of an interface, as it is wanted; the rest as it is.
model::Interface with_changes(const model::Interface& now, const model::Interface& wanted) {
    auto after = now;
    after.link = wanted.link;
    after.filter = wanted.filter;
    after.vlan = wanted.vlan;
    after.bandwidth = wanted.bandwidth;
    after.port_isolated = wanted.port_isolated;
    if (!is_bridged(now) || !is_bridged(wanted)) return after;
    after.type = wanted.type;
    const bool on_network = wanted.type == model::InterfaceType::network;
    after.source.network = wanted.source.network;
    after.source.portgroup = wanted.source.portgroup;
    if (!on_network) after.source.portid.reset();
    // That of a network is the network's.
    if (!on_network || now.source.network != wanted.source.network) after.source.bridge = wanted.source.bridge;
    return after;
}

bool same_port(const model::Interface& one, const model::Interface& other) {
    return one.type == other.type && one.source.network == other.source.network
           && one.source.portgroup == other.source.portgroup && one.vlan == other.vlan
           && (one.type == model::InterfaceType::network || one.source.bridge == other.source.bridge)
           && one.bandwidth == other.bandwidth
           && one.port_isolated.value_or(false) == other.port_isolated.value_or(false);
}

void change_interface(const DomainPtr& domain, const model::Interface& after) {
    domain->change_live([&](model::Domain& live) {
        for (auto& each : live.devices.interfaces)
            if (each.alias == after.alias) each = after;
    });
}

/// `interface`: as it is to be.
Task<> change_filter(DomainPtr domain, model::Interface interface) {
    auto* networks = domain->environment().networks;
    if (!networks || !interface.target_dev)
        throw cannot_plug(
            fmt::format("interface '{}' has no device on the host to filter", interface.alias.value_or("")));
    const network::PortOwner owner{domain->name(), domain->uuid()};
    co_await networks->change_filter(interface, owner);
    change_interface(domain, interface);
}

Task<> change_port(DomainPtr domain, model::Interface now, model::Interface after) {
    auto* networks = domain->environment().networks;
    if (!networks || !is_bridged(now) || now.target_managed == false)
        throw cannot_plug(fmt::format("the port of interface '{}' cannot be changed while the domain runs",
                                      after.alias.value_or("")));
    const network::PortOwner owner{domain->name(), domain->uuid()};
    const auto port = co_await networks->change(now, after, owner);
    after.source.bridge = port.bridge;
    if (after.type == model::InterfaceType::network) after.source.portid = port.id;
    change_interface(domain, after);
}

Task<> update_interface(DomainPtr domain, model::Interface wanted) {
    const auto running = domain->require_running();
    OneDevice one;
    one.element = "interface";
    one.devices.interfaces.push_back(wanted);
    const auto alias = compute::alias_of(running->domain->devices, one);
    const auto now = *std::ranges::find(running->domain->devices.interfaces, alias,
                                        [](const auto& each) { return each.alias.value_or(""); });
    auto after = with_changes(now, wanted);
    const bool same_card =
        after.type == wanted.type && wanted.model.value_or(now.model.value_or("")) == now.model.value_or("");
    if (!same_card)
        throw cannot_plug(
            fmt::format("interface '{}' cannot become one of another type or model while the domain runs", alias),
            "detach it and attach another one, or use --config");
    if (wanted.type == model::InterfaceType::network) { // what a dump has of the port that it had
        wanted.source.bridge = after.source.bridge;
        wanted.source.portid = after.source.portid;
    }
    require_applied("interface", after, wanted);
    const auto link = wanted.link.value_or(model::LinkState::up);
    // One step after the other, each noted when it is done.
    after.link = now.link;
    if (after.filter != now.filter) {
        auto filtered = now;
        filtered.filter = after.filter;
        co_await change_filter(domain, std::move(filtered));
    }
    if (!same_port(now, after)) co_await change_port(domain, now, after);
    co_await running->guest().set_link(alias, link == model::LinkState::up);
    domain->change_live([&](model::Domain& live) {
        for (auto& each : live.devices.interfaces)
            if (each.alias == alias) each.link = wanted.link;
    });
}

Task<> set_password(DomainPtr domain, model::Graphics wanted) {
    const auto running = domain->require_running();
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
    domain->change_live([&](model::Domain& live) {
        for (auto& each : live.devices.graphics)
            if (each.type == wanted.type) each.passwd = wanted.passwd;
    });
}

} // namespace

Task<> update_device(DomainPtr domain, std::string xml, Impact impact, bool force, Credentials caller) {
    const auto turn = co_await domain->turn("update device");
    impact = domain->resolve(impact);
    const auto device = parse_update(xml);
    std::optional<model::Domain> config;
    if (impact.live) require_supported(device, domain->running()->domain->devices);
    if (impact.config) {
        config = parse_definition(*domain->definition());
        require_supported(device, config->devices);
        replace_device(config->devices, device);
        domain->environment().engine->complete_devices(*config, 1);
        require_sound(*config);
    }
    co_await require_rights_of_change(domain, caller, device.devices, config);
    if (impact.live) co_await update_live(domain, device, force, caller);
    if (config) co_await domain->save_definition(std::move(*config), caller);
}

Task<> update_live(DomainPtr domain, OneDevice device, bool force, Credentials caller) {
    if (device.element == "disk") {
        co_await change_medium(domain, device.devices.disks.front(), force, caller);
    } else if (device.element == "interface") {
        co_await update_interface(domain, device.devices.interfaces.front());
    } else if (device.element == "graphics") {
        co_await set_password(domain, device.devices.graphics.front());
    } else {
        throw cannot_plug(fmt::format("live update of device '{}' is not supported", device.element));
    }
}

} // namespace domus::compute
