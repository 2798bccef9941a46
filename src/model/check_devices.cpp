#include "model/checks.hpp"

#include <algorithm>
#include <set>

namespace domus::model::checks {

namespace {

const CharacterSource* with_mode(const std::vector<CharacterSource>& sources, std::string_view mode) {
    for (const auto& source : sources)
        if (source.mode.value_or("bind") == mode) return &source;
    return nullptr;
}

/// What the host's end must have, as it stands in the document; empty if it has it.
std::string_view lacks(CharacterType type, const std::vector<CharacterSource>& sources, bool path_is_chosen) {
    static const CharacterSource none;
    const auto& source = sources.empty() ? none : sources.front();
    switch (type) {
    case CharacterType::dev:
    case CharacterType::file:
    case CharacterType::pipe:
        return source.path ? "" : "path='...'";
    case CharacterType::unix_socket:
        return source.path || path_is_chosen ? "" : "mode='bind' path='...'";
    case CharacterType::tcp:
        return source.service ? "" : "mode='bind' host='...' service='...'";
    case CharacterType::udp: {
        const auto* connect = with_mode(sources, "connect");
        return connect && connect->service ? "" : "mode='connect' host='...' service='...'";
    }
    case CharacterType::spiceport:
    case CharacterType::dbus:
        return source.channel ? "" : "channel='...'";
    case CharacterType::nmdm:
        return source.master && source.slave ? "" : "master='...' slave='...'";
    default:
        return "";
    }
}

void channel_target(const CharacterDevice& channel, Report& report) {
    const auto& target = channel.target;
    if (!target.type)
        report.add(channel.rest, "a <channel> needs <target type='virtio' name='...'/>");
    else if (*target.type == "guestfwd" && (!target.address || !target.port))
        report.add(channel.rest, "a channel of type guestfwd needs <target type='guestfwd' address='...' port='...'/>");
}

void screens(const Domain& domain, Report& report) {
    for (const auto& graphics : domain.devices.graphics) {
        for (const auto& port : {graphics.port, graphics.tls_port, graphics.websocket})
            if (port && (*port < -1 || *port > 65535))
                report.add(graphics.rest, "the port {} of <graphics> must be -1 to 65535", *port);
        if (!graphics.listens.empty() && graphics.listen && graphics.listens.front().type == ListenType::address
            && graphics.listens.front().address && *graphics.listens.front().address != *graphics.listen)
            report.add(graphics.rest,
                       "<graphics listen='{}'> and its first <listen address='{}'/> differ; make them equal",
                       *graphics.listen, *graphics.listens.front().address);
    }
    const auto primary = [](const Video& video) { return video.model.primary == true; };
    const auto& videos = domain.devices.videos;
    if (std::count_if(videos.begin(), videos.end(), primary) > 1)
        report.add(videos.back().rest, "two <video> are primary='yes'; only one can be");
    std::set<unsigned> ids;
    for (const auto& audio : domain.devices.audios)
        if (audio.id == 0 || !ids.insert(audio.id).second)
            report.add(audio.rest, "the id {} of an <audio> must be above 0 and stand once", audio.id);
}

void host_devices(const Domain& domain, Report& report) {
    for (const auto& device : domain.devices.hostdevs) {
        std::string_view missing;
        if (device.type == HostdevType::pci && !(device.source_bus && device.source_slot))
            missing = "<address domain='...' bus='...' slot='...' function='...'/>";
        if (device.type == HostdevType::usb && !(device.vendor && device.product)
            && !(device.source_bus && device.source_device))
            missing = "<vendor id='...'/><product id='...'/> or <address bus='...' device='...'/>";
        if (device.type == HostdevType::mdev && !device.source_uuid) missing = "<address uuid='...'/>";
        if (device.type == HostdevType::scsi && !device.adapter && !device.name)
            missing = "<adapter name='...'/> and <address .../>";
        if (device.type == HostdevType::scsi_host && !device.wwpn) missing = "protocol='vhost' wwpn='...'";
        if (!missing.empty())
            report.add(device.rest, "a <hostdev type='{}'> needs in its <source>: {}", format::word(device.type),
                       missing);
    }
}

void controllers(const Domain& domain, Report& report) {
    std::set<std::pair<ControllerType, unsigned>> seen;
    for (const auto& controller : domain.devices.controllers) {
        if (!controller.index) continue;
        // USB 2 has one number for the controller and its companions.
        const bool companion = controller.master_startport.has_value() || controller.type == ControllerType::usb;
        if (!seen.insert({controller.type, *controller.index}).second && !companion)
            report.add(controller.rest, "two controllers of type '{}' have the index {}; number them apart",
                       format::word(controller.type), *controller.index);
    }
}

void aliases(const Domain& domain, Report& report) {
    std::set<std::string_view> seen;
    for_each_device(domain.devices, [&](std::string_view name, const auto& device) {
        if (!device.alias || !device.alias->starts_with("ua-")) return;
        if (!seen.insert(*device.alias).second)
            report.add(device.rest, "the alias '{}' of a <{}> stands twice; change one", *device.alias, name);
        const bool plain = std::all_of(device.alias->begin(), device.alias->end(), [](char c) {
            return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        });
        if (!plain) report.add(device.rest, "the alias '{}' may have only letters, digits, '-' and '_'", *device.alias);
    });
}

} // namespace

void character_devices(const Domain& domain, Report& report) {
    const auto& devices = domain.devices;
    const auto judge = [&](std::string_view name, const std::vector<CharacterDevice>& list, bool path_is_chosen) {
        for (const auto& device : list) {
            const auto missing = lacks(device.type, device.sources, path_is_chosen);
            if (!missing.empty())
                report.add(device.rest, "a <{} type='{}'> needs <source {}/>", name, format::word(device.type),
                           missing);
        }
    };
    judge("serial", devices.serials, false);
    judge("parallel", devices.parallels, false);
    judge("console", devices.consoles, false);
    judge("channel", devices.channels, true);
    for (const auto& channel : devices.channels) channel_target(channel, report);
}

void other_devices(const Domain& domain, Report& report) {
    screens(domain, report);
    host_devices(domain, report);
    controllers(domain, report);
    aliases(domain, report);
    const auto& devices = domain.devices;
    for_each_device(devices, [&](std::string_view, const auto& device) {
        if constexpr (requires { device.check(report); }) device.check(report);
    });
    std::set<std::string_view> tags;
    for (const auto& filesystem : devices.filesystems)
        if (!tags.insert(filesystem.target).second)
            report.add(filesystem.rest, "two <filesystem> have the <target dir='{}'/>; give one another tag",
                       filesystem.target);
}

} // namespace domus::model::checks
