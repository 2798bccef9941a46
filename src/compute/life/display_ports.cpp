#include "compute/life/display_ports.hpp"

#include "compute/domain/environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace domus::compute {

using model::Graphics;
using model::GraphicsType;
using namespace std::chrono_literals;

namespace {

constexpr auto resolver_timeout = 30s;

bool listens_on_ports(const Graphics& display) {
    if (display.type != GraphicsType::vnc && display.type != GraphicsType::spice) return false;
    return !display.listens.empty() && display.listens.front().type == model::ListenType::address;
}

/// A resolver may hang, so it gets a lane that nobody else waits for.
Task<std::string> resolved(Environment& environment, std::string address) {
    if (is_ip_address(address)) co_return address;
    Lane lane(environment.executor, fmt::format("the address '{}'", address), 1);
    auto work = [address] { return resolve_host_name(address); };
    auto number = co_await lane.run(Deadline::in(resolver_timeout), std::move(work));
    co_return number;
}

/// Of one display: VNC's port or SPICE's, and that for WebSockets.
class DisplayPorts {
public:
    DisplayPorts(PortTable& table, std::string address, const std::string& domain)
        : table_(table), address_(std::move(address)), domain_(domain) {}

    void reserve(Graphics& display) {
        const bool automatic = display.autoport.value_or(false) || display.port.value_or(-1) == -1;
        display.port = keep(automatic ? table_.choose(address_, first_display_port, domain_)
                                      : table_.take(address_, *display.port, domain_));
        if (!display.websocket) return;
        const auto wanted = *display.websocket;
        display.websocket = keep(wanted == -1 ? table_.choose(address_, first_websocket_port, domain_)
                                              : table_.take(address_, wanted, domain_));
    }

    std::vector<PortReservation> reservations;

private:
    int keep(PortReservation reservation) {
        reservations.push_back(reservation);
        return reservation->port;
    }

    PortTable& table_;
    std::string address_;
    const std::string& domain_;
};

} // namespace

Task<std::vector<PortReservation>> reserve_display_ports(Environment& environment, std::vector<Graphics>& displays,
                                                         std::string domain) {
    std::vector<PortReservation> all;
    const Graphics* spice = nullptr;
    for (auto& display : displays) {
        const bool server = display.type == GraphicsType::vnc || display.type == GraphicsType::spice;
        if (server && display.listens.empty()) display.listens.emplace_back();
        if (!listens_on_ports(display)) continue;
        auto& listen = display.listens.front();
        if (!listen.address) listen.address = display.listen.value_or(environment.settings.vnc_listen);
        display.listen = listen.address;
        if (display.type == GraphicsType::spice && spice) { // QEMU has one SPICE server for all of them
            if (display.autoport.value_or(false) || display.port.value_or(-1) == -1) display.port = spice->port;
            continue;
        }
        auto address = co_await resolved(environment, *listen.address);
        DisplayPorts ports(environment.ports, std::move(address), domain);
        ports.reserve(display);
        std::ranges::move(ports.reservations, std::back_inserter(all));
        if (display.type == GraphicsType::spice) spice = &display;
    }
    co_return all;
}

std::vector<PortReservation> adopt_display_ports(Environment& environment, const std::vector<Graphics>& displays,
                                                 const std::string& domain) {
    std::vector<PortReservation> all;
    for (const auto& display : displays) {
        if (!listens_on_ports(display) || !display.listens.front().address) continue;
        for (const auto& port : {display.port, display.websocket})
            if (port && *port > 0)
                all.push_back(environment.ports.adopt(*display.listens.front().address, *port, domain));
    }
    return all;
}

} // namespace domus::compute
