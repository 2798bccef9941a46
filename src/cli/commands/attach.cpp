// Devices that come, go and change: attach-*, detach-*, update-device, change-media, domif-setlink.
#include "cli/commands/attach_xml.hpp"
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t live = 1, config = 2, force = 4; // virDomainDeviceModifyFlags
constexpr std::uint32_t inactive_xml = 2;

bool runs(Call& call, const wire::Domain& domain) {
    return call.server().call<Procedure::domain_is_active>({.dom = domain}).active != 0;
}

/// As virsh reads --persistent: of the definition, and of the running domain too if it runs.
std::uint32_t change_flags(Call& call, const wire::Domain& domain) {
    call.args.exclusive("persistent", "current");
    auto flags = affect_flags(call.args);
    if (call.args.flag("persistent")) flags |= runs(call, domain) ? live | config : config;
    return flags;
}

bool flagless(const Arguments& args, std::uint32_t flags) { return flags == 0 && !args.flag("current"); }

void attach(Call& call, const wire::Domain& domain, const std::string& xml, std::uint32_t flags) {
    if (flagless(call.args, flags))
        call.server().call<Procedure::domain_attach_device>({.dom = domain, .xml = xml});
    else
        call.server().call<Procedure::domain_attach_device_flags>({.dom = domain, .xml = xml, .flags = flags});
}

void detach(Call& call, const wire::Domain& domain, const std::string& xml, std::uint32_t flags) {
    if (flagless(call.args, flags))
        call.server().call<Procedure::domain_detach_device>({.dom = domain, .xml = xml});
    else
        call.server().call<Procedure::domain_detach_device_flags>({.dom = domain, .xml = xml, .flags = flags});
}

// ---- any device ---------------------------------------------------------------------------------------------------

void attach_device(Call& call) {
    const auto file = call.args.required("file");
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto xml = read_file_option(call);
    doing(fmt::format("Failed to attach device from {}", file), [&] { attach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"file", file}}, "Device attached successfully");
}

void detach_device(Call& call) {
    const auto file = call.args.required("file");
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto xml = read_file_option(call);
    doing(fmt::format("Failed to detach device from {}", file), [&] { detach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"file", file}}, "Device detached successfully");
}

void detach_device_alias(Call& call) {
    const auto alias = call.args.required("alias");
    const auto domain = find_domain(call);
    const auto flags = affect_flags(call.args);
    doing(fmt::format("Failed to detach device with alias {}", alias), [&] {
        call.server().call<Procedure::domain_detach_device_alias>({.dom = domain, .alias = alias, .flags = flags});
    });
    call.out.done({{"domain", domain.name}, {"alias", alias}}, "Device detach request sent successfully");
}

void update_device(Call& call) {
    const auto file = call.args.required("file");
    const auto domain = find_domain(call);
    auto flags = change_flags(call, domain);
    if (call.args.flag("force")) flags |= force;
    const auto xml = read_file_option(call);
    doing(fmt::format("Failed to update device from {}", file), [&] {
        call.server().call<Procedure::domain_update_device_flags>({.dom = domain, .xml = xml, .flags = flags});
    });
    call.out.done({{"domain", domain.name}, {"file", file}}, "Device updated successfully");
}

// ---- disks --------------------------------------------------------------------------------------------------------

void attach_disk(Call& call) {
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto xml = attached_disk_xml(call.args);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing("Failed to attach disk", [&] { attach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"target", call.args.required("target")}}, "Disk attached successfully");
}

/// The definition that a change is for: where only the persistent one changes, that.
pugi::xml_document definition(Call& call, const wire::Domain& domain, std::uint32_t flags) {
    return parse_xml(domain_xml(call, domain, (flags & config) && !(flags & live) ? inactive_xml : 0));
}

pugi::xml_node find_disk(const pugi::xml_document& document, const std::string& name) {
    if (!document.child("domain").child("devices").child("disk")) fail("Failed to get disk information");
    for (const auto& disk : document.child("domain").child("devices").children("disk")) {
        if (name == disk.child("target").attribute("dev").value()) return disk;
        for (const char* attribute : {"file", "dev", "dir", "name"})
            if (name == disk.child("source").attribute(attribute).value()) return disk;
    }
    fail("No disk found whose source path or target is {}", name);
}

void detach_disk(Call& call) {
    const auto target = call.args.required("target");
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto document = definition(call, domain, flags);
    const auto xml = element_text(find_disk(document, target));
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing("Failed to detach disk", [&] { detach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"target", target}}, "Disk detached successfully");
}

struct MediaChange {
    bool eject, insert, update;
    std::string_view done() const { return eject ? "ejected" : insert ? "inserted" : "updated"; }
};

MediaChange media_change(const Arguments& args) {
    MediaChange change{args.flag("eject"), args.flag("insert"), args.flag("update")};
    if (change.eject + change.insert + change.update > 1)
        fail("--eject, --insert, and --update must be specified exclusively.");
    if (change.eject && args.given("source")) fail("Option '--source' is not needed with --eject");
    if (!change.eject && !change.insert && !change.update) (args.given("source") ? change.update : change.eject) = true;
    return change;
}

void change_media(Call& call) {
    const auto path = call.args.required("path");
    const auto change = media_change(call.args);
    const auto domain = find_domain(call);
    auto flags = affect_flags(call.args);
    const auto document = definition(call, domain, flags);
    if (call.args.flag("force")) flags |= force;
    auto disk = find_disk(document, path);
    const std::string_view device = disk.attribute("device").value();
    if (device != "cdrom" && device != "floppy") fail("The disk device '{}' is not removable", path);
    const bool full = disk.child("source");
    if (change.insert && full) fail("The disk device '{}' already has media", path);
    if (change.eject && !full) fail("The disk device '{}' doesn't have media", path);
    if (!change.eject && !call.args.given("source"))
        fail("No disk source specified for {}", change.insert ? "inserting" : "updating");
    disk.remove_child("source");
    disk.remove_child("backingStore");
    if (!change.eject) describe_disk_source(call.args, disk, call.args.required("source"));
    const auto xml = element_text(disk);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing(fmt::format("Failed to complete action {} on media", change.eject    ? "eject"
                                                               : change.insert ? "insert"
                                                                               : "update"),
          [&] {
              call.server().call<Procedure::domain_update_device_flags>({.dom = domain, .xml = xml, .flags = flags});
          });
    call.out.done({{"domain", domain.name}, {"device", path}, {"action", change.done()}}, "Successfully {} media.",
                  change.done());
}

// ---- interfaces ---------------------------------------------------------------------------------------------------

void attach_interface(Call& call) {
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto xml = attached_interface_xml(call.args);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing("Failed to attach interface", [&] { attach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"type", call.args.required("type")}}, "Interface attached successfully");
}

/// The interface of that type, and of that MAC address if there are several.
pugi::xml_node find_interface(const pugi::xml_document& document, const std::string& type,
                              const std::optional<std::string>& mac) {
    std::vector<pugi::xml_node> found;
    for (const auto& interface : document.child("domain").child("devices").children("interface"))
        if (type == interface.attribute("type").value()
            && (!mac || *mac == interface.child("mac").attribute("address").value()))
            found.push_back(interface);
    if (found.empty()) {
        if (mac) fail("No interface with MAC address {} was found", *mac);
        fail("No interface found whose type is {}", type);
    }
    if (found.size() > 1)
        fail("Domain has {} interfaces. Please specify which one to detach using --mac", found.size());
    return found.front();
}

void detach_interface(Call& call) {
    const auto domain = find_domain(call);
    const auto flags = change_flags(call, domain);
    const auto document = definition(call, domain, flags);
    const auto interface = find_interface(document, call.args.required("type"), call.args.text("mac"));
    const auto xml = element_text(interface);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing("Failed to detach interface", [&] { detach(call, domain, xml, flags); });
    call.out.done({{"domain", domain.name}, {"mac", interface.child("mac").attribute("address").value()}},
                  "Interface detached successfully");
}

pugi::xml_node find_interface_named(const pugi::xml_document& document, const std::string& name) {
    for (const auto& interface : document.child("domain").child("devices").children("interface"))
        if (name == interface.child("target").attribute("dev").value()
            || name == interface.child("mac").attribute("address").value())
            return interface;
    return {};
}

void domif_setlink(Call& call) {
    const auto name = call.args.required("interface");
    const auto state = call.args.required("state");
    if (state != "up" && state != "down") fail("invalid link state '{}'", state);
    const auto domain = find_domain(call);
    const bool of_definition = call.args.flag("config") || !runs(call, domain);
    const auto document = parse_xml(domain_xml(call, domain, of_definition ? inactive_xml : 0));
    auto interface = find_interface_named(document, name);
    if (!interface) fail("interface (target: {0} / mac: {0}) not found", name);
    interface.remove_child("link");
    interface.append_child("link").append_attribute("state") = state.c_str();
    const auto xml = element_text(interface);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    doing("Failed to update interface link state", [&] {
        call.server().call<Procedure::domain_update_device_flags>(
            {.dom = domain, .xml = xml, .flags = of_definition ? config : live});
    });
    call.out.done({{"domain", domain.name}, {"interface", name}, {"state", state}}, "Device updated successfully");
}

void domif_getlink(Call& call) {
    const auto name = call.args.required("interface");
    const auto domain = find_domain(call);
    const auto document = parse_xml(domain_xml(call, domain, call.args.flag("config") ? inactive_xml : 0));
    const auto interface = find_interface_named(document, name);
    if (!interface) fail("Interface (dev: {}) not found.", name);
    const std::string state = interface.child("link").attribute("state").as_string("up");
    call.out.done({{"domain", domain.name}, {"interface", name}, {"state", state}}, "{} {}", name, state);
}

} // namespace

std::vector<Command> attach_commands() {
    const auto persistent = flag("persistent", "change the definition, and the running domain if it runs");
    const auto of_config = flag("config", "affect the next boot");
    const auto of_live = flag("live", "affect the running domain");
    const auto current = flag("current", "affect the running domain, or the next boot if it is shut off");
    const auto print = flag("print-xml", "print the device's XML and change nothing");
    const auto file = required(text("file", "file with the XML of one device", Complete::file));
    return {
        {.name = "attach-device",
         .summary = "attach a device from an XML file",
         .options = {the_domain(), file, persistent, of_config, of_live, current},
         .run = attach_device},
        {.name = "detach-device",
         .summary = "detach a device described by an XML file",
         .about = "The target identifies a disk, the MAC address an interface, the alias any device.",
         .options = {the_domain(), file, persistent, of_config, of_live, current},
         .run = detach_device},
        {.name = "detach-device-alias",
         .summary = "detach a device by its alias",
         .about = "Does not wait for the guest: 'domus event --event device-removed' shows when the device is gone.",
         .options = {the_domain(), required(text("alias", "name of the device in <alias>")), of_config, of_live,
                     current},
         .run = detach_device_alias},
        {.name = "update-device",
         .summary = "update a device from an XML file",
         .about = "On a running domain: the medium of a drive, the link of an interface, the password of a display. "
                  "With --config: everything.",
         .options = {the_domain(), file, persistent, of_config, of_live, current,
                     flag("force", "remove a medium that the guest has locked")},
         .run = update_device},
        {.name = "attach-disk",
         .summary = "attach a disk",
         .options = {the_domain(),
                     required(or_empty(text("source", "image, device or name of a network disk", Complete::file))),
                     required(text("target", "name in the guest: vdb, sda")),
                     text("targetbus", "virtio, scsi, usb, sata"),
                     text("driver", "driver's name"),
                     text("subdriver", "format of the image: qcow2, raw"),
                     text("iothread", "number of the I/O thread"),
                     text("cache", "none, writeback, ..."),
                     text("io", "threads, native, io_uring"),
                     one_of("type", "disk|cdrom|floppy|lun", "kind of device that the guest sees"),
                     one_of("mode", "readonly|shareable", "how the guest may use the disk"),
                     one_of("sourcetype", "file|block|network", "kind of the source"),
                     text("serial", "serial number"),
                     text("wwn", "world wide name"),
                     text("alias", "name of the device, ua-..."),
                     flag("rawio", "let the guest send raw SCSI commands"),
                     text("address", "address in the guest: pci:0000.00.05.0, scsi:0.0.1, sata:0.0.1, usb:1.2"),
                     flag("multifunction", "let the PCI slot have several functions"),
                     print,
                     text("source-protocol", "protocol of a network disk: nbd, rbd, iscsi, ..."),
                     text("source-host-name", "server of a network disk, HOST or HOST:PORT"),
                     text("source-host-transport", "transport to the server: tcp, unix, rdma"),
                     text("source-host-socket", "socket of the server, for unix", Complete::file),
                     persistent,
                     of_config,
                     of_live,
                     current},
         .run = attach_disk},
        {.name = "detach-disk",
         .summary = "detach a disk",
         .options = {the_domain(), required(text("target", "name in the guest, or the image")), persistent, of_config,
                     of_live, current, print},
         .run = detach_disk},
        {.name = "change-media",
         .summary = "change the medium of a CD-ROM or floppy drive",
         .options = {the_domain(), required(text("path", "name of the drive in the guest, or its image")),
                     text("source", "new image", Complete::file), flag("eject", "eject the medium"),
                     flag("insert", "insert a medium"), flag("update", "replace the medium"), current, of_live,
                     of_config, flag("force", "change the medium even if the guest has locked the drive"), print,
                     one_of("sourcetype", "file|block", "kind of the source"),
                     flag("block", "take the source as a block device")},
         .run = change_media},
        {.name = "attach-interface",
         .summary = "attach a network interface",
         .options = {the_domain(),
                     required(one_of("type", "network|bridge|direct|hostdev|vhostuser|user",
                                     "how the interface is connected to the host")),
                     text("source", "network, bridge, device, PCI address or socket"),
                     text("target", "name of the device on the host"), text("mac", "MAC address"),
                     text("script", "script that sets up the device", Complete::file),
                     text("model", "virtio, e1000e, ..."), text("alias", "name of the device, ua-..."),
                     text("inbound", "limit of incoming traffic in KiB/s: average,peak,burst,floor"),
                     text("outbound", "limit of outgoing traffic in KiB/s: average,peak,burst"), persistent, of_config,
                     of_live, current, print,
                     flag("managed", "let the daemon detach the host's device from its driver"),
                     one_of("source-mode", "server|client", "mode of a vhostuser socket")},
         .run = attach_interface},
        {.name = "detach-interface",
         .summary = "detach a network interface",
         .options = {the_domain(), required(text("type", "network, bridge, ...")), text("mac", "MAC address"),
                     persistent, of_config, of_live, current, print},
         .run = detach_interface},
        {.name = "domif-setlink",
         .summary = "set the link state of a network interface",
         .options = {the_domain(), required(text("interface", "device on the host, or MAC address")),
                     required(one_of("state", "up|down", "new state")), of_config, print},
         .run = domif_setlink},
        {.name = "domif-getlink",
         .group = Group::monitor,
         .summary = "print the link state of a network interface",
         .options = {the_domain(), required(text("interface", "device on the host, or MAC address")), of_config},
         .run = domif_getlink},
    };
}

} // namespace domus::cli
