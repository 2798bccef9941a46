#include "model/unsupported.hpp"

#include "model/nwfilter.hpp"
#include "model/secret.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace domus::model {

namespace {

using format::Refusal;

constexpr std::string_view no_switch = "there are no ports of Open vSwitch, 802.1Qbg, 802.1Qbh and MidoNet";
constexpr std::string_view no_trust = "addresses that the guest changes are not followed";
constexpr std::string_view no_tuning = "the host's resources are not divided this way yet";
constexpr std::string_view no_label = "files keep their owners and labels";
constexpr std::string_view no_virtual_port =
    "virtual ports of Fibre Channel are not made; name the host: <adapter type='scsi_host' name='host3'/>";
constexpr std::string_view no_external = "snapshots are kept inside the images of disks";
constexpr std::string_view no_xen = "it belongs to Xen";
constexpr std::string_view no_arm = "it belongs to ARM machines";
constexpr std::string_view no_container = "it belongs to containers";

constexpr auto rows = std::to_array<Refusal>({
    {Domain::schema, "resource/partition", "the control group is the daemon's choice", "/machine"},
    {Domain::schema, "on_poweroff", "qemu driver doesn't support this action for 'on_poweroff'",
     "destroy restart preserve"},
    {Domain::schema, "on_reboot", "qemu driver doesn't support this action for 'on_reboot'",
     "destroy restart preserve"},
    {Domain::schema, "on_crash", "a crashed guest is not renamed",
     "destroy restart preserve coredump-destroy coredump-restart"},
    {Domain::schema, "on_lockfailure", "images are locked for as long as the guest runs: a lock does not fail later",
     "poweroff"},
    {PerfEvent::schema, "@enabled", "performance counters of the host are not read", "no"},
    {BlockIoTune::schema, "weight", no_tuning, {}},
    {BlockIoTune::schema, "device", no_tuning, {}},
    {MemoryTune::schema, "hard_limit", no_tuning, {}},
    {MemoryTune::schema, "soft_limit", no_tuning, {}},
    {MemoryTune::schema, "min_guarantee", no_tuning, {}},
    {MemoryTune::schema, "swap_hard_limit", no_tuning, {}},
    {CpuTune::schema, "shares", no_tuning, {}},
    {CpuTune::schema, "period", no_tuning, {}},
    {CpuTune::schema, "quota", no_tuning, {}},
    {CpuTune::schema, "global_period", no_tuning, {}},
    {CpuTune::schema, "global_quota", no_tuning, {}},
    {CpuTune::schema, "emulator_period", no_tuning, {}},
    {CpuTune::schema, "emulator_quota", no_tuning, {}},
    {CpuTune::schema, "iothread_period", no_tuning, {}},
    {CpuTune::schema, "iothread_quota", no_tuning, {}},
    {CpuTune::schema, "iothreadpin", no_tuning, {}},
    {CpuTune::schema, "emulatorsched", no_tuning, {}},
    {CpuTune::schema, "vcpusched", no_tuning, {}},
    {CpuTune::schema, "iothreadsched", no_tuning, {}},
    {NumaTune::schema, "memory@mode", no_tuning, {}},
    {NumaTune::schema, "memnode", no_tuning, {}},
    {NumaTune::schema, "memory@nodeset", no_tuning, {}},
    {NumaTune::schema, "memory@placement", no_tuning, "static"},
    {Domain::schema, "vcpu@placement", "no program says which CPUs of the host are best; name them with cpuset='...'",
     "static"},
    {Nvram::schema, "source", "variables lie in a file of the host: <nvram>/path</nvram>", {}},
    {Nvram::schema, "@templateFormat", "variables and their template have one format", "raw"},
    {Features::schema, "gic", no_arm, {}},
    {Features::schema, "gic@version", no_arm, {}},
    {Features::schema, "viridian", no_xen, {}},
    {Features::schema, "privnet", no_container, {}},
    {Cpu::schema, "cache@level", "QEMU emulates the cache of level 3", "3"},
    {Seclabel::schema, "@type", no_label, "dynamic none"},
    {Seclabel::schema, "baselabel", no_label, {}},
    {Cpu::schema, "@check", "the guest's CPU is not compared with the definition", "none partial"},
    {Cpu::schema, "@match", "other features than those that are named cannot be had or refused", "exact"},
    {ControllerTarget::schema, "@index", "it belongs to pSeries machines", {}},
    {Controller::schema, "@maxGrantFrames", no_xen, {}},
    {Controller::schema, "@maxEventChannels", no_xen, {}},
    {Disk::schema, "transient@shareBacking", "each transient disk has an image of its own below", "no"},
    {DiskSource::schema, "@tlsHostname", "TLS to storage servers is not supported", {}},
    {DiskSource::schema, "identity@user", "images on NFS are mounted by the host", {}},
    {DiskSource::schema, "identity@group", "images on NFS are mounted by the host", {}},
    {Interface::schema, "@trustGuestRxFilters", no_trust, "no"},
    {Interface::schema, "virtualport", no_switch, {}},
    {Interface::schema, "coalesce/rx/frames@max", "the driver of the tap device is left as it is", {}},
    {Interface::schema, "route", "routes are the guest's own", {}},
    {Interface::schema, "backenddomain@name", no_xen, {}},
    {Interface::schema, "guest@dev", no_container, {}},
    {Interface::schema, "target@managed", "tap devices are made by the daemon", "yes"},
    {InterfaceSource::schema, "ip", "addresses of the host's side are the host's own", {}},
    {InterfaceSource::schema, "route", "routes of the host's side are the host's own", {}},
    {InterfaceBackend::schema, "@tap", "tap devices come from /dev/net/tun", "/dev/net/tun"},
    {InterfaceBackend::schema, "@vhost", "vhost-net is /dev/vhost-net", "/dev/vhost-net"},
    {Interface::schema, "portForward", "ports are forwarded by passt, which is not started yet", {}},
    {InterfaceBackend::schema, "@type", "passt is not started yet; QEMU's own NAT needs no <backend>", "default"},
    {BandwidthLimit::schema, "@floor", "no bandwidth is guaranteed, only limited", {}},
    {Hostdev::schema, "source@writeFiltering", "writes to the device's configuration are always filtered", "yes"},
    {FilesystemDriver::schema, "@format", "folders have no format", "raw"},
    {FilesystemDriver::schema, "@name", "the type of the <driver> says what serves it", {}},
    {Video::schema, "driver@vgaconf", "it belongs to bhyve", {}},
    {Network::schema, "@trustGuestRxFilters", no_trust, "no"},
    {Network::schema, "domain@register", "the network's names are not registered with the host's resolver", "no"},
    {Network::schema, "virtualport", no_switch, {}},
    {Forward::schema, "driver@name", "networks do not hand out devices of the host", {}},
    {Bridge::schema, "@zone", "the bridge is not added to a zone of firewalld", {}},
    {Bridge::schema, "@macTableManager", "the kernel keeps the bridge's table of addresses", "kernel"},
    {PortGroup::schema, "virtualport", no_switch, {}},
    {PortGroup::schema, "@trustGuestRxFilters", no_trust, "no"},
    {Pool::schema, "features/cow@state", "files are made as the file system makes them; a volume takes <nocow/>",
     "yes"},
    {PoolAdapter::schema, "@parent", no_virtual_port, {}},
    {PoolAdapter::schema, "@managed", no_virtual_port, "no"},
    {PoolAdapter::schema, "@wwnn", no_virtual_port, {}},
    {PoolAdapter::schema, "@wwpn", no_virtual_port, {}},
    {SnapshotDisk::schema, "@type", no_external, "file"},
    {SnapshotDisk::schema, "driver@type", no_external, {}},
});

class Report {
public:
    explicit Report(format::Findings& findings) : findings_(findings) {}

    template <class... Part> void add(const format::Rest& where, fmt::format_string<Part...> text, Part&&... parts) {
        findings_.push_back({where.line, fmt::format(text, std::forward<Part>(parts)...), true});
    }

private:
    format::Findings& findings_;
};

/// A label that the user wrote for one image or socket; the domain's own are judged by their type.
void own_labels(const std::vector<Seclabel>& labels, Report& report) {
    for (const auto& label : labels)
        if (label.label) report.add(label.rest, "<label> of a source is not supported by this version: {}", no_label);
}

void disk(const Disk& disk, Report& report) {
    const bool drive = disk.device == DiskDevice::cdrom || disk.device == DiskDevice::floppy;
    const auto bus = disk.target.bus;
    if (disk.readonly && !drive && (bus == DiskBus::ide || bus == DiskBus::sata))
        report.add(disk.rest, "readonly {} disks are not supported ('{}'); take bus='virtio' or bus='scsi'",
                   format::word(*bus), disk.target.dev);
    own_labels(disk.source.seclabels, report);
}

void interface(const Interface& interface, Report& report) {
    const bool scripts = interface.script || interface.downscript;
    if (scripts)
        report.add(
            interface.rest,
            "<script> and <downscript> are not supported by this version: programs that join interfaces are not run");
    if (interface.type == InterfaceType::direct || interface.type == InterfaceType::ethernet)
        report.add(interface.rest,
                   "an interface of type '{}' is not supported by this version; take type='bridge' or type='network'",
                   format::word(interface.type));
    if (!interface.ips.empty() && interface.type != InterfaceType::user)
        report.add(interface.ips.front().rest,
                   "<ip> of an interface of type '{}' is not supported by this version: "
                   "the guest chooses its addresses",
                   format::word(interface.type));
}

bool has_spice(const Devices& devices) {
    for (const auto& graphics : devices.graphics)
        if (graphics.type == GraphicsType::spice) return true;
    return false;
}

/// QEMU ends when the guest opens a channel to a viewer that cannot come.
void spice_channels(const Domain& domain, Report& report) {
    if (has_spice(domain.devices)) return;
    const auto judge = [&](std::string_view element, CharacterType type, const format::Rest& rest) {
        if (type == CharacterType::spicevmc || type == CharacterType::spiceport)
            report.add(rest,
                       "chardev '{}' of a <{}> not supported without spice graphics; add <graphics type='spice'/>",
                       format::word(type), element);
    };
    const auto& devices = domain.devices;
    for (const auto& [element, list] :
         {std::pair{"serial", &devices.serials}, std::pair{"parallel", &devices.parallels},
          std::pair{"console", &devices.consoles}, std::pair{"channel", &devices.channels}})
        for (const auto& device : *list) judge(element, device.type, device.rest);
    for (const auto& device : devices.redirdevs) judge("redirdev", device.type, device.rest);
    for (const auto& device : devices.smartcards)
        if (device.type) judge("smartcard", *device.type, device.rest);
}

/// What chooses firmware has no effect on a guest that starts with the BIOS: it would not have the secure boot that it asks for.
void firmware(const Os& os, Report& report) {
    if (os.firmware) return;
    if (!os.firmware_features.empty())
        report.add(os.firmware_features.front().rest,
                   "cannot use feature-based firmware autoselection when firmware autoselection is disabled; "
                   "write <os firmware='efi'>");
    if (!os.loader.path && (os.loader.secure.value_or(false) || os.loader.stateless.value_or(false)))
        report.add(os.loader.rest,
                   "no loader path specified and firmware auto selection disabled; write <os firmware='efi'>");
}

/// An element that no table has, so that it is kept as it stands.
struct Stranger {
    std::string_view parent, element, why;
};

constexpr auto strangers_of_domain = std::to_array<Stranger>({
    {"resource", "fibrechannel", "traffic of Fibre Channel is not marked with an identity of the domain"},
    {"", "bootloader_args", no_xen},
});
constexpr auto strangers_of_os = std::to_array<Stranger>({
    {"", "initarg", no_container},
    {"", "initenv", no_container},
    {"", "initdir", no_container},
    {"", "inituser", no_container},
    {"", "initgroup", no_container},
});

void strangers(const format::Rest& rest, std::span<const Stranger> known, Report& report) {
    for (const auto& item : rest.items)
        for (const auto& [parent, element, why] : known)
            if (item.attribute.empty() && item.parent == parent && item.text.starts_with(fmt::format("<{}", element)))
                report.add(rest, "<{}> is not supported by this version: {}", element, why);
}

void devices(const Devices& devices, Report& report) {
    for (const auto& each : devices.disks) disk(each, report);
    for (const auto& each : devices.interfaces) interface(each, report);
    for (const auto& graphics : devices.graphics)
        for (const auto& listen : graphics.listens)
            if (listen.type == ListenType::network)
                report.add(listen.rest, "<listen type='network'> is not supported by this version; "
                                        "take type='address' with an address of the host");
    for (const auto* list : {&devices.serials, &devices.parallels, &devices.consoles, &devices.channels})
        for (const auto& device : *list)
            for (const auto& source : device.sources) own_labels(source.seclabels, report);
    for (const auto& device : devices.hostdevs)
        if (device.mode != HostdevMode::subsystem || device.type == HostdevType::scsi
            || device.type == HostdevType::storage || device.type == HostdevType::misc
            || device.type == HostdevType::net)
            report.add(device.rest, "a <hostdev mode='{}' type='{}'> is not supported by this version",
                       format::word(device.mode), format::word(device.type));
    for (const auto& filesystem : devices.filesystems) {
        for (const auto& item : filesystem.rest.items) // of a domain it is for containers, and asks for nothing
            if (item.attribute.empty() && item.text.starts_with("<idmap"))
                report.add(filesystem.rest,
                           "<idmap> of a <filesystem> is not supported by this version: users are not mapped");
    }
}

void forwarding(const Network& network, Report& report) {
    const auto mode = network.mode();
    const bool bridge = mode == ForwardMode::bridge && network.bridge.name;
    if (network.has_own_bridge() || bridge) return;
    report.add(network.forward->rest,
               "<forward mode='{}'> is not supported by this version: no domain could use the network; "
               "take mode='nat', or mode='bridge' with <bridge name='...'/>",
               format::word(mode));
}

} // namespace

std::span<const format::Refusal> refusals() {
    static const auto all = [] {
        std::vector<Refusal> joined(rows.begin(), rows.end());
        joined.insert(joined.end(), device_refusals().begin(), device_refusals().end());
        return joined;
    }();
    return all;
}

namespace {

template <class T> void find_refused(const T& value, format::Findings& findings) {
    for (const auto table : {refusals(), context_refusals()})
        format::find_refused(T::schema(), &value, table, findings);
}

} // namespace

void find_unsupported(const Devices& all, format::Findings& findings) {
    find_refused(all, findings);
    Report report(findings);
    devices(all, report);
}

void find_unsupported(const Domain& domain, format::Findings& findings) {
    find_refused(domain, findings);
    Report report(findings);
    devices(domain.devices, report);
    strangers(domain.rest, strangers_of_domain, report);
    strangers(domain.os.rest, strangers_of_os, report);
    firmware(domain.os, report);
    spice_channels(domain, report);
    if (domain.on_poweroff == PowerAction::restart && domain.on_reboot == PowerAction::destroy)
        report.add(domain.rest, "qemu driver doesn't support 'onReboot'=='destroy' and 'onPoweroff'=='reboot'");
}

void find_unsupported(const Network& network, format::Findings& findings) {
    find_refused(network, findings);
    Report report(findings);
    forwarding(network, report);
}

void find_unsupported(const Pool& pool, format::Findings& findings) { find_refused(pool, findings); }

void find_unsupported(const Volume& volume, format::Findings& findings) { find_refused(volume, findings); }

void find_unsupported(const Secret& secret, format::Findings& findings) { find_refused(secret, findings); }

void find_unsupported(const NwFilter& filter, format::Findings& findings) {
    Report report(findings);
    for (const auto& rule : filter.rules)
        rule.each_match([&](FilterProtocol protocol, const FilterMatch& match) {
            const auto name = format::word(protocol);
            if (match.gratuitous.value_or("false") != "false")
                report.add(match.rest,
                           "<{} gratuitous> is not supported by this version: nftables cannot compare "
                           "two fields of a packet; name the address: arpsrcipaddr and arpdstipaddr",
                           name);
            if (match.ipset)
                report.add(match.rest,
                           "<{} ipset> is not supported by this version: nftables knows no sets of "
                           "ipset(8); give the addresses as a variable with several values",
                           name);
        });
}

void find_unsupported(const FilterBinding& binding, format::Findings& findings) { find_refused(binding, findings); }

/// Of its own fields; the domains in it are judged where one of them is run.
void find_unsupported(const Snapshot& snapshot, format::Findings& findings) {
    for (const auto& disk : snapshot.disks) find_refused(disk, findings);
}

} // namespace domus::model
