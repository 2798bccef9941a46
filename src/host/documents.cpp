#include "host/documents.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <pugixml.hpp>

#include <algorithm>
#include <array>
#include <sstream>

namespace domus::host {

using engine::Capabilities;

namespace {

/// An element that is being filled: attributes and children one after the other.
class Element {
public:
    explicit Element(pugi::xml_node node) : node_(node) {}
    Element child(const char* name) const { return Element(node_.append_child(name)); }
    const Element& text(std::string_view value) const {
        node_.append_child(pugi::node_pcdata).set_value(std::string(value).c_str());
        return *this;
    }
    const Element& set(const char* name, std::string_view value) const {
        node_.append_attribute(name) = std::string(value).c_str();
        return *this;
    }
    const Element& set(const char* name, std::uint64_t value) const { return set(name, std::to_string(value)); }

private:
    mutable pugi::xml_node node_;
};

std::string print(const pugi::xml_document& document) {
    std::ostringstream out;
    document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    return std::move(out).str();
}

void add_cells(const Element& host, const Node& node) {
    const auto cells = host.child("topology").child("cells");
    cells.set("num", node.cells.size());
    for (const auto& cell : node.cells) {
        const auto element = cells.child("cell");
        element.set("id", cell.id);
        element.child("memory").set("unit", "KiB").text(std::to_string(cell.memory.kib_ceil()));
        element.child("pages").set("unit", "KiB").set("size", 4u).text(std::to_string(cell.memory.bytes / 4096));
        if (!cell.distances.empty()) {
            const auto distances = element.child("distances");
            for (std::size_t i = 0; i < cell.distances.size(); ++i)
                distances.child("sibling").set("id", i).set("value", cell.distances[i]);
        }
        const auto cpus = element.child("cpus");
        cpus.set("num", cell.cpus.size());
        for (const auto& cpu : node.cpus)
            if (cpu.cell == cell.id)
                cpus.child("cpu")
                    .set("id", cpu.id)
                    .set("socket_id", cpu.socket)
                    .set("die_id", cpu.die)
                    .set("core_id", cpu.core)
                    .set("siblings", cpu.siblings);
    }
}

void add_guest(const Element& root, const Capabilities& emulator) {
    const auto guest = root.child("guest");
    guest.child("os_type").text("hvm");
    const auto arch = guest.child("arch");
    arch.set("name", emulator.architecture);
    arch.child("wordsize").text(emulator.architecture == "i386" ? "32" : "64");
    arch.child("emulator").text(emulator.binary);
    // The default first: virt-install takes the first where nobody asks for another.
    auto machines = emulator.machines;
    std::ranges::stable_partition(machines, &engine::MachineType::is_default);
    for (const auto& machine : machines) {
        const auto max = std::to_string(machine.max_cpus);
        const auto add = [&](const std::string& name, bool canonical) {
            const auto element = arch.child("machine");
            if (!canonical) element.set("canonical", machine.name);
            element.set("maxCpus", max);
            if (machine.deprecated) element.set("deprecated", "yes");
            element.text(name);
        };
        add(machine.name, true);
        if (machine.alias) add(*machine.alias, false);
    }
    arch.child("domain").set("type", "qemu");
    if (emulator.kvm) arch.child("domain").set("type", "kvm");
    const auto features = guest.child("features");
    features.child("acpi").set("default", "on").set("toggle", "yes");
    features.child("apic").set("default", "on").set("toggle", "no");
    features.child("cpuselection");
    features.child("deviceboot");
    features.child("disksnapshot").set("default", "on").set("toggle", "no");
}

using Values = std::vector<std::string_view>;

void add_enum(const Element& parent, const char* name, const Values& values) {
    const auto element = parent.child("enum");
    element.set("name", name);
    for (const auto value : values) element.child("value").text(value);
}

/// An element for devices that exist if `values` are not empty.
void add_supported(const Element& parent, const char* element, const char* name, const Values& values) {
    const auto added = parent.child(element).set("supported", values.empty() ? "no" : "yes");
    if (!values.empty()) add_enum(added, name, values);
}

void add_os(const Element& root, const DomainCapabilitiesFacts& facts) {
    const auto os = root.child("os").set("supported", "yes");
    add_enum(os, "firmware", facts.firmware_images.empty() ? Values{"bios"} : Values{"bios", "efi"});
    const auto loader = os.child("loader").set("supported", "yes");
    for (const auto& path : facts.firmware_images) loader.child("value").text(path);
    add_enum(loader, "type", {"rom", "pflash"});
    add_enum(loader, "readonly", {"yes", "no"});
    add_enum(loader, "secure", facts.secure_boot ? Values{"yes", "no"} : Values{"no"});
}

/// Who makes the processors that a model describes, as libvirt's CPU map has it.
std::string_view vendor_of(std::string_view model) {
    constexpr auto amd = std::to_array<std::string_view>({"EPYC", "Opteron", "athlon", "phenom"});
    constexpr auto intel = std::to_array<std::string_view>(
        {"Broadwell", "Cascadelake", "Conroe", "Cooperlake", "Denverton", "Haswell", "Icelake", "IvyBridge",
         "KnightsMill", "Nehalem", "Penryn", "SandyBridge", "SapphireRapids", "Skylake", "Snowridge", "Westmere",
         "core2duo", "coreduo", "n270"});
    const auto begins_with_one = [&](const auto& families) {
        return std::ranges::any_of(families, [&](std::string_view family) { return model.starts_with(family); });
    };
    if (begins_with_one(amd)) return "AMD";
    if (begins_with_one(intel)) return "Intel";
    return model.starts_with("Dhyana") ? "Hygon" : "unknown";
}

void add_host_model(const Element& cpu, const std::optional<model::Cpu>& model) {
    const auto mode = cpu.child("mode").set("name", "host-model").set("supported", model ? "yes" : "no");
    if (!model) return;
    mode.child("model").set("fallback", "forbid").text(model->model.value_or(""));
    if (const auto vendor = vendor_of(model->model.value_or("")); vendor != "unknown")
        mode.child("vendor").text(vendor);
    for (const auto& feature : model->features)
        mode.child("feature").set("policy", "require").set("name", feature.name);
}

void add_cpu(const Element& root, const Capabilities& emulator, bool kvm, const std::optional<model::Cpu>& host_model) {
    const auto cpu = root.child("cpu");
    const auto passthrough = cpu.child("mode").set("name", "host-passthrough").set("supported", kvm ? "yes" : "no");
    if (kvm) add_enum(passthrough, "hostPassthroughMigratable", {"on", "off"});
    add_enum(cpu.child("mode").set("name", "maximum").set("supported", "yes"), "maximumMigratable", {"on", "off"});
    add_host_model(cpu, host_model);
    const auto custom = cpu.child("mode").set("name", "custom").set("supported", "yes");
    for (const auto& model : emulator.cpus) {
        if (model.name == "host" || model.name == "base" || model.name == "max") continue;
        custom.child("model")
            .set("usable", model.usable ? "yes" : "no")
            .set("vendor", vendor_of(model.name))
            .text(model.name);
    }
}

struct KnownVideo {
    std::string_view model, device;
};
constexpr std::array<KnownVideo, 7> videos{{{"vga", "VGA"},
                                            {"cirrus", "cirrus-vga"},
                                            {"vmvga", "vmware-svga"},
                                            {"qxl", "qxl"},
                                            {"virtio", "virtio-gpu-pci"},
                                            {"bochs", "bochs-display"},
                                            {"ramfb", "ramfb"}}};

void add_displays(const Element& devices, const Capabilities& emulator, bool spice) {
    add_supported(devices, "graphics", "type",
                  spice ? Values{"vnc", "spice", "egl-headless"} : Values{"vnc", "egl-headless"});
    Values models;
    for (const auto& video : videos)
        if (emulator.has_device(video.device)) models.push_back(video.model);
    models.push_back("none");
    add_supported(devices, "video", "modelType", models);
}

void add_tpm(const Element& devices, const Capabilities& emulator, const DomainCapabilitiesFacts& facts) {
    const bool supported = (facts.host_tpm || facts.swtpm) && !emulator.tpm_models.empty();
    const auto tpm = devices.child("tpm").set("supported", supported ? "yes" : "no");
    if (!supported) return;
    Values backends;
    if (facts.host_tpm) backends.push_back("passthrough");
    if (facts.swtpm) backends.push_back("emulator");
    add_enum(tpm, "model", Values(emulator.tpm_models.begin(), emulator.tpm_models.end()));
    add_enum(tpm, "backendModel", backends);
    if (facts.swtpm) add_enum(tpm, "backendVersion", {"1.2", "2.0"});
}

void add_filesystem(const Element& devices, const Capabilities& emulator, bool virtiofsd) {
    Values drivers{"path"};
    if (virtiofsd && emulator.has_device("vhost-user-fs-pci")) drivers.push_back("virtiofs");
    add_supported(devices, "filesystem", "driverType", drivers);
}

void add_devices(const Element& root, const Capabilities& emulator, const std::string& machine,
                 const DomainCapabilitiesFacts& facts) {
    const auto devices = root.child("devices");
    const bool spice = emulator.has_device("qxl");
    const bool ide = machine.find("q35") == machine.npos;
    const Values virtio_models{"virtio", "virtio-transitional", "virtio-non-transitional"};
    const auto disk = devices.child("disk").set("supported", "yes");
    add_enum(disk, "diskDevice", {"disk", "cdrom", "floppy", "lun"});
    add_enum(disk, "bus",
             ide ? Values{"ide", "fdc", "scsi", "virtio", "usb", "sata"}
                 : Values{"fdc", "scsi", "virtio", "usb", "sata"});
    add_enum(disk, "model", virtio_models);
    add_displays(devices, emulator, spice);
    const auto hostdev = devices.child("hostdev").set("supported", "yes");
    add_enum(hostdev, "mode", {"subsystem"});
    add_enum(hostdev, "startupPolicy", {"default", "mandatory", "requisite", "optional"});
    add_enum(hostdev, "subsysType", {"usb", "pci", "scsi"});
    const auto rng = devices.child("rng").set("supported", "yes");
    add_enum(rng, "model", virtio_models);
    add_enum(rng, "backendModel", {"random", "egd", "builtin"});
    add_filesystem(devices, emulator, facts.virtiofsd);
    add_tpm(devices, emulator, facts);
    add_supported(devices, "redirdev", "bus", emulator.has_device("usb-redir") ? Values{"usb"} : Values{});
    add_supported(devices, "channel", "type", spice ? Values{"pty", "unix", "spicevmc"} : Values{"pty", "unix"});
}

} // namespace

std::string capabilities_xml(const Node& node, const std::string& uuid,
                             const std::vector<engine::CapabilitiesPtr>& emulators,
                             const std::optional<model::Cpu>& described) {
    pugi::xml_document document;
    const Element root(document.append_child("capabilities"));
    const auto host = root.child("host");
    host.child("uuid").text(uuid);
    const auto cpu = host.child("cpu");
    cpu.child("arch").text(node.architecture);
    if (described) cpu.child("model").text(*described->model);
    if (!node.vendor.empty())
        cpu.child("vendor").text(node.vendor == "GenuineIntel"   ? "Intel"
                                 : node.vendor == "AuthenticAMD" ? "AMD"
                                                                 : node.vendor);
    cpu.child("topology")
        .set("sockets", node.sockets)
        .set("dies", 1u)
        .set("cores", node.cores)
        .set("threads", node.threads);
    if (described)
        for (const auto& feature : described->features) cpu.child("feature").set("name", feature.name);
    cpu.child("pages").set("unit", "KiB").set("size", 4u);
    host.child("power_management");
    host.child("iommu").set("support", "no");
    const auto migration = host.child("migration_features");
    migration.child("live");
    migration.child("uri_transports").child("uri_transport").text("tcp");
    add_cells(host, node);
    const auto model = host.child("secmodel");
    model.child("model").text("none");
    model.child("doi").text("0");
    for (const auto& emulator : emulators) add_guest(root, *emulator);
    return print(document);
}

std::string domain_capabilities_xml(const Capabilities& emulator, const DomainCapabilitiesWish& wish,
                                    const DomainCapabilitiesFacts& facts) {
    const auto machine = emulator.canonical_machine(wish.machine);
    if (wish.virt_type == "kvm" && !emulator.kvm)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, "invalid argument: KVM is not supported by this host")
            .because(emulator.kvm_reason)
            .hint(emulator.kvm_hint.empty() ? "see 'domus doctor'" : emulator.kvm_hint);
    if (!wish.virt_type.empty() && wish.virt_type != "kvm" && wish.virt_type != "qemu")
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: unknown virttype: {}", wish.virt_type));
    const bool kvm = wish.virt_type.empty() ? emulator.kvm : wish.virt_type == "kvm";
    pugi::xml_document document;
    const Element root(document.append_child("domainCapabilities"));
    root.child("path").text(emulator.binary);
    root.child("domain").text(kvm ? "kvm" : "qemu");
    root.child("machine").text(machine);
    root.child("arch").text(emulator.architecture);
    root.child("vcpu").set("max", emulator.find_machine(machine)->max_cpus);
    root.child("iothreads").set("supported", "yes");
    add_os(root, facts);
    add_cpu(root, emulator, kvm, facts.host_model);
    add_enum(root.child("memoryBacking").set("supported", "yes"), "sourceType", {"file", "anonymous", "memfd"});
    add_devices(root, emulator, machine, facts);
    const auto features = root.child("features");
    features.child("gic").set("supported", "no");
    features.child("vmcoreinfo").set("supported", "yes");
    features.child("genid").set("supported", "yes");
    features.child("backingStoreInput").set("supported", "yes");
    features.child("backup").set("supported", "no");
    features.child("sev").set("supported", "no");
    return print(document);
}

} // namespace domus::host
