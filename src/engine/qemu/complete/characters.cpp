#include "engine/qemu/complete/parts.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::engine::qemu {

using model::CharacterDevice;

namespace {

/// Numbers those that have no port, beginning behind the highest.
void number_ports(std::vector<CharacterDevice>& devices) {
    unsigned next = 0;
    for (const auto& device : devices)
        if (device.target.port) next = std::max(next, *device.target.port + 1);
    for (auto& device : devices)
        if (!device.target.port) device.target.port = next++;
}

std::string serial_model(const std::string& type) {
    if (type == "isa-debug") return "isa-debugcon";
    return type;
}

void complete_serial(CharacterDevice& serial) {
    auto& target = serial.target;
    if (!target.type && serial.address && serial.address->type == model::AddressType::usb) target.type = "usb-serial";
    if (!target.type && serial.address && serial.address->type == model::AddressType::pci) target.type = "pci-serial";
    if (!target.type) target.type = "isa-serial";
    if (!target.model_name) target.model_name = serial_model(*target.type);
}

bool on_serial(const CharacterDevice& console) { return console.target.type.value_or("serial") == "serial"; }

/// The console that stands for a serial port: the same host's end, seen twice.
CharacterDevice console_of(const CharacterDevice& serial, const CharacterDevice* old) {
    CharacterDevice console;
    if (old) console.rest = old->rest;
    console.type = serial.type;
    console.sources = serial.sources;
    console.protocol = serial.protocol;
    console.log = serial.log;
    console.alias = serial.alias;
    console.tty = old ? old->tty : std::nullopt;
    console.target.type = "serial";
    console.target.port = serial.target.port;
    return console;
}

/// The first console is the first serial port; each makes the other where it is missing.
void pair_console(model::Devices& devices) {
    auto& serials = devices.serials;
    auto& consoles = devices.consoles;
    if (serials.empty() && !consoles.empty() && on_serial(consoles.front())) {
        auto serial = consoles.front();
        serial.target = {};
        serial.tty.reset();
        complete_serial(serial);
        serial.target.port = consoles.front().target.port.value_or(0);
        serials.push_back(std::move(serial));
    }
    if (serials.empty() || serials.front().target.type == "isa-debug") return;
    if (consoles.empty() || !on_serial(consoles.front()))
        consoles.insert(consoles.begin(), console_of(serials.front(), nullptr));
    else
        consoles.front() = console_of(serials.front(), &consoles.front());
}

void number_consoles(std::vector<CharacterDevice>& consoles) {
    std::set<unsigned> used;
    for (const auto& console : consoles)
        if (!on_serial(console) && console.target.port) used.insert(*console.target.port);
    unsigned next = 0;
    for (auto& console : consoles) {
        if (!console.target.type) console.target.type = "virtio"; // a second one cannot be the serial port
        if (on_serial(console) || console.target.port) continue;
        while (used.contains(next)) ++next;
        console.target.port = next++;
    }
}

void complete_channel(CharacterDevice& channel) {
    if (!channel.target.type) channel.target.type = "virtio";
    if (channel.type == model::CharacterType::spicevmc && !channel.target.name)
        channel.target.name = "com.redhat.spice.0";
}

/// Protocol and mode of sockets, as they are written.
void complete_source(CharacterDevice& device) {
    if (device.type == model::CharacterType::tcp && !device.protocol) device.protocol = model::CharacterProtocol::raw;
    const bool socket = device.type == model::CharacterType::tcp
                        || (device.type == model::CharacterType::unix_socket && !device.sources.empty());
    if (socket && device.source().path.has_value() + device.source().host.has_value() > 0 && !device.source().mode)
        device.source().mode = "connect";
}

using Ports = std::set<std::pair<unsigned, unsigned>>; ///< controller and port

/// The first free port; adds a controller when all are full. Those before `controller` are.
model::Address free_port(model::Domain& domain, Ports& taken, unsigned& controller) {
    constexpr unsigned most_ports = 31;
    for (;; ++controller) {
        const auto* found = find_controller(domain, model::ControllerType::virtio_serial, controller);
        const unsigned ports = found ? found->ports.value_or(most_ports) : most_ports;
        for (unsigned port = 1; port < ports; ++port) { // port 0 is for a console
            if (!taken.emplace(controller, port).second) continue;
            if (!found) add_controller(domain, model::ControllerType::virtio_serial, controller);
            return model::Address::virtio_serial(controller, 0, port);
        }
    }
}

} // namespace

void complete_characters(model::Domain& domain) {
    auto& devices = domain.devices;
    for (auto& serial : devices.serials) complete_serial(serial);
    number_ports(devices.serials);
    number_ports(devices.parallels);
    for (auto* list : {&devices.serials, &devices.parallels, &devices.consoles, &devices.channels})
        for (auto& device : *list) complete_source(device);
    pair_console(devices);
    number_consoles(devices.consoles);
    for (auto& channel : devices.channels) complete_channel(channel);
}

void assign_virtio_serial_addresses(model::Domain& domain) {
    Ports taken;
    auto& channels = domain.devices.channels;
    const auto on_virtio = [](const CharacterDevice& channel) { return channel.target.type == "virtio"; };
    for (const auto& channel : channels) {
        if (on_virtio(channel) && channel.address && channel.address->type != model::AddressType::virtio_serial)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("channel '{}' (line {}) cannot have an address of type '{}'",
                                    channel.target.name.value_or(""), channel.rest.line,
                                    format::word(channel.address->type)));
        if (!on_virtio(channel) || !channel.address || channel.address->port == 0) continue;
        if (!taken.emplace(channel.address->controller, channel.address->port).second)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("channel '{}' wants port {} of virtio-serial controller {}, which another has",
                                    channel.target.name.value_or(""), channel.address->port,
                                    channel.address->controller))
                .hint("leave the <address> out of one of them, and a free port is chosen");
    }
    unsigned first_open = 0;
    for (auto& channel : channels)
        if (on_virtio(channel) && (!channel.address || channel.address->port == 0))
            channel.address = free_port(domain, taken, first_open);
}

} // namespace domus::engine::qemu
