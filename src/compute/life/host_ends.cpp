#include "compute/life/host_ends.hpp"

#include "compute/life/vhost_net.hpp"
#include "os/access.hpp"

#include <fmt/format.h>

namespace domus::compute {

using engine::share;

bool has_tap(const Environment& environment, const model::Interface& interface) {
    using model::InterfaceType;
    // Without privileges QEMU itself opens a device that was made for its user.
    if (interface.type == InterfaceType::ethernet) return environment.networks != nullptr;
    return interface.type == InterfaceType::network || interface.type == InterfaceType::bridge;
}

Task<> attach_interface(Environment& environment, model::Interface& interface, model::DomainType type,
                        network::PortOwner domain, engine::Launch& launch) {
    if (!has_tap(environment, interface)) co_return;
    if (!environment.networks)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                    "this daemon runs without privileges and has no networks")
            .hint("use <interface type='user'>");
    auto open = [interface, type] { return open_vhost_net(interface, type, interface.driver.queues.value_or(1)); };
    auto vhosts = co_await environment.files.run(Deadline::in(file_timeout), std::move(open));
    auto port = co_await environment.networks->attach(interface, std::move(domain));
    interface.target_dev = port.device;
    if (!port.bridge.empty()) interface.source.bridge = port.bridge;
    if (interface.type == model::InterfaceType::network) interface.source.portid = port.id;
    auto& link = launch.interfaces[*interface.alias];
    for (auto& tap : port.taps) link.taps.push_back(share(std::move(tap)));
    link.vhosts = std::move(vhosts);
}

std::optional<CharacterSocket> listens_on(model::CharacterDevice& device, const std::string& folder,
                                          const Credentials& caller) {
    if (device.type != model::CharacterType::unix_socket) return std::nullopt;
    auto& source = device.source();
    if (source.mode.value_or("bind") != "bind") return std::nullopt;
    source.mode = "bind";
    const bool own = !source.path;
    if (own) source.path = fmt::format("{}/{}", folder, device.target.name.value_or(*device.alias));
    return CharacterSocket{*device.alias, *source.path, own ? own_credentials() : caller};
}

Task<> listen_on_characters(Environment& environment, std::vector<CharacterSocket> sockets, std::string domain,
                            engine::Launch& launch) {
    if (sockets.empty()) co_return;
    auto work = [sockets = std::move(sockets)] {
        std::map<std::string, std::shared_ptr<UniqueFd>> listening;
        for (const auto& socket : sockets) listening[socket.alias] = share(listen_as(socket.owner, socket.path));
        return listening;
    };
    Lane lane(environment.executor, fmt::format("the sockets of domain '{}'", domain), 1);
    auto listening = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    launch.characters.merge(listening);
}

} // namespace domus::compute
