// Ports for USB devices. A controller's bus is a tree: its own ports "1", "2", ..., and behind a hub on port 1 the
// ports "1.1" to "1.8". Hubs are added where the devices outnumber the ports.
#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/device_name.hpp"
#include "engine/qemu/devices/device_kind.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

namespace domus::engine::qemu {

using model::AddressType;

namespace {

constexpr unsigned most_ports = 15;     // of an xHCI controller in QEMU
constexpr unsigned hub_ports = 8;       // of QEMU's usb-hub
constexpr std::size_t deepest_port = 7; // "1.2.3.4": USB allows five hubs in a row, QEMU's ports have four parts here

struct PortCount {
    std::string_view model;
    unsigned ports;
};
constexpr std::array<PortCount, 9> port_counts{{
    {"piix3-uhci", 2},
    {"piix4-uhci", 2},
    {"ich9-uhci1", 2},
    {"ich9-ehci1", 6},
    {"ehci", 6},
    {"pci-ohci", 3},
    {"vt82c686b-uhci", 2},
    {"nec-xhci", 4},
    {"qemu-xhci", 4},
}};

unsigned port_count(const model::Controller& controller) {
    if (controller.ports && *controller.ports > most_ports)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("{} (line {}) has {} ports; {} are possible", device_name("controller", controller),
                                controller.rest.line, *controller.ports, most_ports));
    if (controller.ports) return *controller.ports;
    const auto found = std::ranges::find(port_counts, controller.model.value_or(""), &PortCount::model);
    return found == port_counts.end() ? 2 : found->ports;
}

std::vector<UsbUser> users_of(model::Domain& domain) {
    UsbUsers users;
    list_all(domain, users);
    return users.take();
}

/// The ports of all buses, each free or with the name of its device. Ports of a controller come before those of hubs.
class UsbPorts {
public:
    explicit UsbPorts(const model::Domain& domain) {
        for (const auto& controller : domain.devices.controllers) {
            if (controller.type != model::ControllerType::usb || controller.master_startport
                || controller.model == "none")
                continue;
            for (unsigned port = 1; port <= port_count(controller); ++port)
                add(controller.index.value_or(0), std::to_string(port));
        }
    }

    bool any() const { return !ports_.empty(); }
    std::size_t free() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(ports_, [](const Port& port) { return port.owner.empty(); }));
    }

    void take(unsigned bus, const std::string& name, const UsbUser& user) {
        const auto found = by_name_.find({bus, name});
        if (found == by_name_.end())
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("{} wants port {} of USB bus {}, which is not there", user.name, name, bus));
        auto& port = ports_[found->second];
        if (!port.owner.empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("{} and {} both want USB bus {} port {}", port.owner, user.name, bus, name))
                .hint("leave the <address> out of one of them, and a free port is chosen");
        port.owner = user.name;
        if (user.hub) open_hub(bus, name);
    }

    /// Takes the first free port of that bus, or of any.
    std::optional<model::Address> take_any(std::optional<unsigned> bus, const UsbUser& user) {
        while (first_free_ < ports_.size() && !ports_[first_free_].owner.empty()) ++first_free_;
        for (std::size_t i = first_free_; i < ports_.size(); ++i) {
            const auto& port = ports_[i];
            if (!port.owner.empty() || (bus && *bus != port.bus)) continue;
            auto address = model::Address::usb(port.bus, port.name);
            take(address.bus, address.usb_port, user);
            return address;
        }
        return std::nullopt;
    }

private:
    struct Port {
        unsigned bus;
        std::string name;
        std::string owner;
    };
    void add(unsigned bus, std::string name) {
        by_name_.try_emplace({bus, name}, ports_.size());
        ports_.push_back({bus, std::move(name), {}});
    }
    void open_hub(unsigned bus, const std::string& name) {
        if (name.size() >= deepest_port) return;
        for (unsigned port = 1; port <= hub_ports; ++port) add(bus, fmt::format("{}.{}", name, port));
    }
    std::vector<Port> ports_;
    std::map<std::pair<unsigned, std::string>, std::size_t> by_name_; ///< places in ports_
    std::size_t first_free_ = 0;                                      ///< none before it is
};

bool has_port(const std::optional<model::Address>& address) {
    return address && address->type == AddressType::usb && !address->usb_port.empty();
}

/// Hubs that stand behind others must come after them.
void take_given(UsbPorts& ports, std::vector<UsbUser>& users) {
    std::vector<UsbUser*> given;
    for (auto& user : users)
        if (has_port(*user.address)) given.push_back(&user);
    std::ranges::sort(
        given, {}, [](const UsbUser* user) { return std::tuple(!user->hub, (*user->address)->usb_port.size(), user); });
    for (auto* user : given) ports.take((*user->address)->bus, (*user->address)->usb_port, *user);
}

void refuse_others(model::Domain& domain, const std::vector<UsbUser>& users) {
    std::set<const void*> listed;
    for (const auto& user : users) listed.insert(user.address);
    model::for_each_device(domain.devices, [&](std::string_view element, auto& device) {
        if (!device.address || device.address->type != AddressType::usb || listed.contains(&device.address)) return;
        throw Error(
            ErrorCode::xml_error, ErrorDomain::domain,
            fmt::format("{} is no USB device and cannot have an address of type 'usb'", device_name(element, device)));
    });
}

/// How many hubs are missing, given that each takes a port and brings eight.
std::size_t hubs_missing(std::size_t free, std::size_t wanted) {
    std::size_t hubs = 0;
    while (free > 0 && free < wanted) {
        free += hub_ports - 1;
        ++hubs;
    }
    return hubs;
}

} // namespace

void assign_usb_addresses(model::Domain& domain) {
    auto users = users_of(domain);
    refuse_others(domain, users);
    if (users.empty()) return;
    UsbPorts ports(domain);
    if (!ports.any())
        throw Error(ErrorCode::config_unsupported, ErrorDomain::domain,
                    fmt::format("{} is on USB, and the domain has no USB controller", users.front().name))
            .hint("take <controller type='usb' model='none'/> away");
    take_given(ports, users);
    const auto wanted = static_cast<std::size_t>(
        std::ranges::count_if(users, [](const UsbUser& user) { return !has_port(*user.address); }));
    const auto missing = hubs_missing(ports.free(), wanted);
    if (missing > 0) {
        domain.devices.hubs.resize(domain.devices.hubs.size() + missing);
        users = users_of(domain);
    }
    for (auto& user : users) {
        if (has_port(*user.address)) continue;
        std::optional<unsigned> bus;
        if (*user.address && (*user.address)->type == AddressType::usb && (*user.address)->bus > 0)
            bus = (*user.address)->bus;
        auto place = ports.take_any(bus, user);
        if (!place)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("no USB port is left for {}", user.name));
        *user.address = std::move(place);
    }
}

} // namespace domus::engine::qemu
