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

void strip(Disk& disk) {
    disk.mirror.reset();
    // A chain that the definition does not name is looked up at each start.
    const auto found_by_start = [](const std::vector<BackingStore>& chain) {
        return !chain.empty() && (!chain.front().type || chain.front().index);
    };
    if (found_by_start(disk.backing_store)) disk.backing_store.clear();
}

void strip(Interface& interface) {
    if (interface.type == InterfaceType::network) interface.source.bridge.reset();
    if (!interface.target_dev) return;
    constexpr std::string_view made_by_start[] = {"vnet", "macvtap", "macvlan"};
    for (const auto prefix : made_by_start)
        if (interface.target_dev->starts_with(prefix)) return interface.target_dev.reset();
}

/// Sockets without a path of the user's lie in the folder of that run, "domain-ID-NAME"; libvirt's below "channel".
bool chosen_by_start(CharacterType type, const CharacterSource& source, std::optional<int> id) {
    if (type == CharacterType::pty) return true;
    if (type != CharacterType::unix_socket || !source.path) return false;
    if (id && source.path->find("/domain-" + std::to_string(*id) + "-") != std::string::npos) return true;
    return source.path->find("/channel/") != std::string::npos;
}

void strip(CharacterDevice& device, std::optional<int> id) {
    if (!device.sources.empty() && chosen_by_start(device.type, device.sources.front(), id)) device.sources.clear();
}

void strip(Graphics& graphics) {
    if (!graphics.autoport.value_or(false)) return;
    graphics.port = -1;
    if (graphics.tls_port) graphics.tls_port = -1;
    if (graphics.websocket) graphics.websocket = -1;
}

} // namespace

void strip_live(Domain& domain) {
    const auto id = std::exchange(domain.id, std::nullopt);
    if (domain.partition == default_partition) domain.partition.reset();
    std::erase_if(domain.seclabels,
                  [](const Seclabel& label) { return label.type == SeclabelType::dynamic && !label.baselabel; });
    auto& devices = domain.devices;
    for_each_device(devices, [](std::string_view, auto& device) { strip_alias(device.alias); });
    for (auto& disk : devices.disks) strip(disk);
    for (auto& interface : devices.interfaces) strip(interface);
    for (auto* list : {&devices.serials, &devices.parallels, &devices.consoles, &devices.channels})
        for (auto& device : *list) strip(device, id);
    for (auto& graphics : devices.graphics) strip(graphics);
    if (devices.vsock && devices.vsock->auto_cid.value_or(false)) devices.vsock->cid.reset();
}

} // namespace domus::model
