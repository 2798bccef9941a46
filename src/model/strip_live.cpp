#include "model/domain.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace domus::model {

namespace {

constexpr std::string_view default_partition = "/machine";

void strip_alias(std::optional<std::string>& alias) {
    if (alias && !alias->starts_with("ua-")) alias.reset();
}

/// A chain that the definition does not name is looked up at each start, which numbers its images. A <backingStore/> of
/// the user's own says that there is none.
void strip(Disk& disk, bool running) {
    disk.mirror.reset();
    const auto& chain = disk.backing_store;
    const bool found_by_start =
        !chain.empty() && (disk.source.index || chain.front().index || (running && !chain.front().type));
    if (found_by_start) disk.backing_store.clear();
    disk.source.index.reset();
}

void strip(Interface& interface) {
    if (interface.type == InterfaceType::network) interface.source.bridge.reset();
    interface.source.portid.reset();
    if (!interface.target_dev) return;
    constexpr std::string_view made_by_start[] = {"vnet", "macvtap", "macvlan"};
    for (const auto prefix : made_by_start)
        if (interface.target_dev->starts_with(prefix)) return interface.target_dev.reset();
}

/// Sockets without a path of the user's lie in the folder of that run, "domain-ID-NAME"; libvirt's below "channel".
bool in_folder_of_a_run(const std::string& path) {
    constexpr std::string_view folder = "/domain-";
    for (auto at = path.find(folder); at != path.npos; at = path.find(folder, at + 1)) {
        const auto end = path.find_first_not_of("0123456789", at + folder.size());
        if (end != path.npos && end > at + folder.size() && path[end] == '-') return true;
    }
    return path.find("/channel/") != path.npos;
}

bool chosen_by_start(CharacterType type, const CharacterSource& source) {
    if (type == CharacterType::pty) return true;
    return type == CharacterType::unix_socket
           && (source.path ? in_folder_of_a_run(*source.path) : source.mode != "connect");
}

void strip(CharacterDevice& device) {
    device.tty.reset();
    device.target.state.reset();
    if (!device.sources.empty() && chosen_by_start(device.type, device.sources.front())) device.sources.clear();
}

/// As libvirt: a port that is chosen at start is -1 for VNC, and not named for SPICE.
void strip_ports(Graphics& graphics) {
    if (!graphics.autoport.value_or(false)) return;
    graphics.port.reset();
    graphics.tls_port.reset();
    if (graphics.type == GraphicsType::vnc) graphics.port = -1;
    if (graphics.websocket) graphics.websocket = -1;
}

void strip(Graphics& graphics) {
    strip_ports(graphics);
    if (graphics.socket && in_folder_of_a_run(*graphics.socket)) graphics.socket.reset();
    for (auto& listen : graphics.listens)
        if (listen.socket && in_folder_of_a_run(*listen.socket)) listen.socket.reset();
}

} // namespace

void strip_live(Domain& domain) {
    const bool running = std::exchange(domain.id, std::nullopt).has_value();
    if (domain.partition == default_partition) domain.partition.reset();
    std::erase_if(domain.seclabels, [](const Seclabel& label) {
        return label.type == SeclabelType::dynamic && label.label && !label.baselabel;
    });
    auto& devices = domain.devices;
    for_each_device(devices, [](std::string_view, auto& device) {
        strip_alias(device.alias);
        if constexpr (requires { device.strip_live(); }) device.strip_live();
    });
    for (auto& disk : devices.disks) strip(disk, running);
    for (auto& interface : devices.interfaces) strip(interface);
    for (auto* list : {&devices.serials, &devices.parallels, &devices.consoles, &devices.channels})
        for (auto& device : *list) strip(device);
    for (auto& graphics : devices.graphics) strip(graphics);
}

} // namespace domus::model
