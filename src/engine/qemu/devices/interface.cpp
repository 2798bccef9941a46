// Network cards and what joins them to the host. Those on bridges and networks get a tap device that the daemon opened.
#include "engine/qemu/command.hpp"
#include "engine/qemu/devices/devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Interface;
using model::InterfaceType;

namespace {

constexpr std::string_view element = "interface";

json::object netdev(std::string_view type, const Interface& interface) {
    return {{"type", type}, {"id", "host" + *interface.alias}};
}

const Launch::Link* link_of(const Build& build, const Interface& interface) {
    const auto found = build.launch.interfaces.find(*interface.alias);
    return found == build.launch.interfaces.end() ? nullptr : &found->second;
}

/// "3" or "3:4:5" for several queues.
void set_fds(Build& build, json::object& object, std::string_view one, std::string_view many,
             const std::vector<SharedFd>& fds) {
    std::string list;
    for (const auto& fd : fds) {
        if (!list.empty()) list += ':';
        list += build.pass(fd);
    }
    object[fds.size() == 1 ? one : many] = list;
}

void tap(Build& build, const Interface& interface) {
    auto host = netdev("tap", interface);
    const auto* link = link_of(build, interface);
    if (link && !link->taps.empty()) {
        set_fds(build, host, "fd", "fds", link->taps);
        if (!link->vhosts.empty()) {
            host["vhost"] = true;
            set_fds(build, host, "vhostfd", "vhostfds", link->vhosts);
        } else if (interface.driver.name == "vhost") {
            refuse("driver", interface.driver.rest.line, "vhost-net was requested for an interface, but is unavailable",
                   "load the kernel's module with 'modprobe vhost_net', or use name='qemu'");
        }
    } else {
        host["ifname"] = interface.target_dev.value_or("vnet%d");
        host["script"] = "no";
        host["downscript"] = "no";
        if (interface.driver.name == "vhost") host["vhost"] = true;
        if (interface.driver.queues.value_or(1) > 1) host["queues"] = *interface.driver.queues;
    }
    if (interface.sndbuf) host["sndbuf"] = *interface.sndbuf;
    build.arguments.netdev(host);
}

/// QEMU's own NAT.
void user(Build& build, const Interface& interface) {
    if (const auto passt = Build::find(build.launch.helpers, *interface.alias)) {
        auto host = netdev("stream", interface);
        host["server"] = false;
        host["addr"] = json::object{{"type", "fd"}, {"str", build.pass(passt)}};
        build.arguments.netdev(host);
        return;
    }
    if (interface.backend.type == "passt") {
        auto host = netdev("stream", interface);
        host["server"] = false;
        host["addr"] = json::object{{"type", "unix"},
                                    {"path", fmt::format("{}/{}-passt.sock", build.launch.folder, *interface.alias)}};
        build.arguments.netdev(host);
        return;
    }
    if (!interface.port_forwards.empty())
        refuse("portForward", interface.rest.line, "only passt forwards ports", "add <backend type='passt'/>");
    auto host = netdev("user", interface);
    for (const auto& ip : interface.ips) {
        const bool six = ip.family == model::AddressFamily::ipv6;
        if (six) {
            host["ipv6-prefix"] = ip.address;
            if (ip.prefix) host["ipv6-prefixlen"] = *ip.prefix;
        } else {
            host["net"] = ip.prefix ? fmt::format("{}/{}", ip.address, *ip.prefix) : ip.address;
        }
    }
    build.arguments.netdev(host);
}

std::string source_address(const Interface& interface) {
    return fmt::format("{}:{}", interface.source.address.value_or(""), interface.source.port.value_or(0));
}

void server(Build& build, const Interface& interface) {
    auto host = netdev("socket", interface);
    host["listen"] = source_address(interface);
    build.arguments.netdev(host);
}
void client(Build& build, const Interface& interface) {
    auto host = netdev("socket", interface);
    host["connect"] = source_address(interface);
    build.arguments.netdev(host);
}
void mcast(Build& build, const Interface& interface) {
    auto host = netdev("socket", interface);
    host["mcast"] = source_address(interface);
    build.arguments.netdev(host);
}
void udp(Build& build, const Interface& interface) {
    auto host = netdev("socket", interface);
    host["udp"] = source_address(interface);
    host["localaddr"] =
        fmt::format("{}:{}", interface.source.local_address.value_or(""), interface.source.local_port.value_or(0));
    build.arguments.netdev(host);
}

void vhost_user(Build& build, const Interface& interface) {
    const auto& source = interface.source;
    const auto id = "char" + *interface.alias;
    Options options("socket");
    const auto fd = Build::find(build.launch.helpers, *interface.alias);
    options.set("id", id);
    if (fd)
        options.set("fd", build.pass(fd));
    else
        options.set("path", source.path.value_or(""));
    if (source.mode == "server") options.set("server", true);
    if (!fd && source.reconnect.enabled.value_or(false)) options.set("reconnect", source.reconnect.timeout.value_or(1));
    build.arguments.add("-chardev", options);
    auto host = netdev("vhost-user", interface);
    host["chardev"] = id;
    set(host, "queues", interface.driver.queues);
    build.arguments.netdev(host);
}

void vdpa(Build& build, const Interface& interface) {
    auto host = netdev("vhost-vdpa", interface);
    host["vhostdev"] = interface.source.dev.value_or("");
    build.arguments.netdev(host);
}

/// Assigned with its card: there is no host's end.
void assigned(Build& build, const Interface& interface) {
    if (!interface.source.host_address)
        refuse("source", interface.source.rest.line, "the <address> of the host's device is missing");
    auto device = build.device("vfio-pci", *interface.alias);
    device["host"] = interface.source.host_address->text();
    set_rom(build, device, interface.rom);
    build.place(device, interface.address);
    build.arguments.device(device);
}

struct Kind {
    InterfaceType type;
    void (*host)(Build&, const Interface&);
};
constexpr std::array<Kind, 12> kinds{{
    {InterfaceType::network, tap},
    {InterfaceType::bridge, tap},
    {InterfaceType::ethernet, tap},
    {InterfaceType::direct, tap},
    {InterfaceType::user, user},
    {InterfaceType::server, server},
    {InterfaceType::client, client},
    {InterfaceType::mcast, mcast},
    {InterfaceType::udp, udp},
    {InterfaceType::vhostuser, vhost_user},
    {InterfaceType::vdpa, vdpa},
    {InterfaceType::hostdev, assigned},
}};

void set_offloads(json::object& device, const model::Offloads& offloads, std::string_view side) {
    const auto option = [&](std::string_view name, const std::optional<model::OnOff>& value) {
        set(device, fmt::format("{}_{}", side, name), value);
    };
    if (side == "host") {
        set(device, "csum", offloads.csum);
        set(device, "gso", offloads.gso);
        set(device, "mrg_rxbuf", offloads.mrg_rxbuf);
    } else {
        option("csum", offloads.csum);
    }
    option("tso4", offloads.tso4);
    option("tso6", offloads.tso6);
    option("ecn", offloads.ecn);
    option("ufo", offloads.ufo);
}

void set_virtio_options(Build& build, const Interface& interface, json::object& device) {
    const auto& driver = interface.driver;
    if (driver.txmode) {
        if (*driver.txmode != "iothread" && *driver.txmode != "timer")
            refuse("driver", driver.rest.line, fmt::format("txmode '{}' is not known", *driver.txmode));
        device["tx"] = *driver.txmode == "iothread" ? "bh" : "timer";
    }
    set(device, "ioeventfd", driver.ioeventfd);
    set(device, "event_idx", driver.event_idx);
    const auto* link = link_of(build, interface);
    const auto queues =
        link && !link->taps.empty() ? static_cast<unsigned>(link->taps.size()) : driver.queues.value_or(1);
    if (queues > 1) {
        device["mq"] = true;
        device["vectors"] = 2 * queues + 2; // one for each queue, the control queue and configuration
    }
    set(device, "rx_queue_size", driver.rx_queue_size);
    set(device, "tx_queue_size", driver.tx_queue_size);
    set(device, "rss", driver.rss);
    set(device, "hash", driver.rss_hash_report);
    set(device, "host_mtu", interface.mtu);
    set_offloads(device, driver.host, "host");
    set_offloads(device, driver.guest, "guest");
    set_virtio(device, driver);
    if (interface.teaming && interface.teaming->type == model::TeamingType::persistent) device["failover"] = true;
}

void add_card(Build& build, const Interface& interface) {
    const auto model = interface.model.value_or("virtio");
    const bool virtio = model.starts_with("virtio");
    const auto driver = virtio ? virtio_name("virtio-net-pci", interface.model) : model;
    build.need_device(driver, element, interface.rest.line);
    auto device = build.device(driver, *interface.alias);
    device["netdev"] = "host" + *interface.alias;
    device["mac"] = interface.mac.value_or("");
    if (virtio) set_virtio_options(build, interface, device);
    if (interface.acpi_index) device["acpi-index"] = *interface.acpi_index;
    set_rom(build, device, interface.rom);
    build.place(device, interface.address);
    build.arguments.device(device);
}

/// What the daemon does to the tap device cannot be done where there is none.
void refuse_without_tap(const Interface& interface, void (*host)(Build&, const Interface&)) {
    if (host == tap || host == assigned) return;
    const auto line = interface.rest.line;
    const auto only_tap = [&](bool wanted, std::string_view what) {
        if (wanted)
            refuse(what, line, fmt::format("an interface of type '{}' cannot have it", format::word(interface.type)));
    };
    only_tap(interface.vlan.has_value(), "vlan");
    only_tap(interface.virtualport.has_value(), "virtualport");
    only_tap(interface.bandwidth.inbound || interface.bandwidth.outbound, "bandwidth");
    only_tap(interface.filter.has_value(), "filterref");
    only_tap(interface.port_isolated.value_or(false), "port");
}

void refuse_virtio_options(const Interface& interface) {
    if (!interface.model || interface.model->starts_with("virtio")) return;
    const auto& driver = interface.driver;
    const bool wanted = driver.txmode || driver.queues.value_or(1) > 1 || driver.rx_queue_size || driver.tx_queue_size
                        || driver.rss || driver.host != model::Offloads{} || driver.guest != model::Offloads{}
                        || driver.name == "vhost";
    if (wanted)
        refuse("driver", driver.rest.line, fmt::format("a '{}' has no queues and offloads to set", *interface.model),
               "take <model type='virtio'/>");
}

void add_interface(Build& build, const Interface& interface) {
    const auto kind = std::ranges::find(kinds, interface.type, &Kind::type);
    if (kind == kinds.end())
        refuse(element, interface.rest.line, fmt::format("type '{}' is not supported", format::word(interface.type)));
    if (interface.script && interface.type == InterfaceType::ethernet)
        refuse("script", interface.rest.line, "scripts for interfaces are not run");
    if (interface.backend_domain)
        refuse("backenddomain", interface.rest.line, "only Xen has domains that serve interfaces");
    refuse_without_tap(interface, kind->host);
    refuse_virtio_options(interface);
    kind->host(build, interface);
    if (interface.type != InterfaceType::hostdev) add_card(build, interface);
}

void add_all(Build& build) {
    for (const auto& interface : build.domain.devices.interfaces) add_interface(build, interface);
}

/// In the range that libvirt and QEMU use for guests; the last three bytes are random.
std::string random_mac() {
    std::uint8_t bytes[3];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw system_error(errno, "cannot make a MAC address");
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2]);
}

void complete(model::Domain& domain) {
    for (auto& interface : domain.devices.interfaces) {
        if (!interface.mac) interface.mac = random_mac();
        if (!interface.model && interface.type != model::InterfaceType::hostdev) interface.model = "rtl8139";
    }
}

PciPlug interface_plug(const model::Interface& interface) {
    const auto model = interface.model.value_or("virtio");
    if (model.starts_with("virtio")) return virtio_plug(model);
    constexpr std::array<std::string_view, 3> express{"e1000e", "vmxnet3", "igb"};
    const bool is_express =
        std::ranges::any_of(express, [&](std::string_view word) { return model.starts_with(word); });
    return is_express || interface.type == model::InterfaceType::hostdev ? PciPlug::express : PciPlug::conventional;
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& interface : domain.devices.interfaces)
        if (interface.model != "usb-net") users.add("interface", interface, interface_plug(interface));
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& interface : domain.devices.interfaces)
        if (interface.model == "usb-net") users.add("interface", interface);
}

void prepare(const model::Domain& live, std::vector<Preparation>& list) {
    for (const auto& interface : live.devices.interfaces)
        if (interface.link == model::LinkState::down)
            list.push_back({"set_link", {{"name", *interface.alias}, {"up", false}}});
}

} // namespace

const DeviceKind& kind_interface() {
    static const DeviceKind kind{
        .element = "interface",
        .add = add_all,
        .pluggable = true,
        .alias = "net",
        .complete = complete,
        .pci = {2, list_pci},
        .usb = {8, list_usb},
        .prepare = prepare,
    };
    return kind;
}

} // namespace domus::engine::qemu
