#include "engine/qemu/plug.hpp"

#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/character_backend.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/devices/devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>

namespace domus::engine::qemu {

namespace {

template <class Device> void keep(std::vector<Device>& list, const std::string& alias) {
    std::erase_if(list, [&](const Device& device) { return device.alias != alias; });
}
template <class Device> void keep(std::optional<Device>& device, const std::string& alias) {
    if (device && device->alias != alias) device.reset();
}

/// The domain as if it had that device alone; but for controllers, which others sit on.
model::Domain only(const model::Domain& live, const std::string& alias) {
    auto reduced = live;
    auto& devices = reduced.devices;
    model::for_each_kind([&](std::string_view element, auto member) {
        const auto* kind = find_kind(element);
        if (kind && kind->pluggable && !kind->carries_others) keep(devices.*member, alias);
    });
    reduced.os.boot.clear(); // an order by classes is that of the start; the device may have one of its own
    return reduced;
}

std::string element_of(const model::Domain& live, const std::string& alias) {
    std::string element;
    model::for_each_device(live.devices, [&](std::string_view name, const auto& device) {
        if (device.alias == alias && element.empty()) element = name;
    });
    return element;
}

/// Null for devices that are not plugged.
const DeviceKind* pluggable(std::string_view element) {
    const auto* kind = find_kind(element);
    return kind && kind->pluggable ? kind : nullptr;
}

// ---- arguments become commands ------------------------------------------------------------------------------------

struct Translation {
    std::string_view option, add, remove, key;
};
constexpr std::array<Translation, 4> translations{{
    {"-object", "object-add", "object-del", "id"},
    {"-blockdev", "blockdev-add", "blockdev-del", "node-name"},
    {"-netdev", "netdev_add", "netdev_del", "id"},
    {"-device", "device_add", "device_del", "id"},
}};

PlugStep passing(const PassedFd& passed) {
    if (passed.set == 0)
        return {{"getfd", {{"fdname", passed.name}}}, passed.fd, {"closefd", {{"fdname", passed.name}}}};
    return {{"add-fd", {{"fdset-id", passed.set}, {"opaque", passed.owner}}},
            passed.fd,
            {"remove-fd", {{"fdset-id", passed.set}}}};
}

/// A set of descriptors means nothing to what does not open its file as images are opened.
std::string opened_by_itself(const json::object& object) {
    const auto* type = object.if_contains("qom-type");
    if (type && *type == "secret") return "file";
    for (const char* key : {"romfile", "mem-path"}) {
        const auto* value = object.if_contains(key);
        if (value && value->is_string() && value->as_string().starts_with("/dev/fdset/")) return key;
    }
    return {};
}

PlugStep step_of(const Arguments::Entry& entry) {
    if (const auto* passed = std::get_if<PassedFd>(&entry.value)) return passing(*passed);
    if (const auto* text = std::get_if<std::string>(&entry.value); text && entry.option == "-chardev") {
        auto arguments = character_backend(*text);
        json::object undo{{"id", arguments.at("id")}};
        return {{"chardev-add", std::move(arguments)}, nullptr, {"chardev-remove", std::move(undo)}};
    }
    const auto* object = std::get_if<json::object>(&entry.value);
    const auto found = std::ranges::find(translations, entry.option, &Translation::option);
    if (!object || found == translations.end())
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("QEMU's option {} has no counterpart while it runs", entry.option))
            .hint("add the device with --config: it is there after the next start");
    // Companions of a USB controller have no name of their own; none of them is ever plugged.
    MonitorCommand undo;
    if (const auto* id = object->if_contains(found->key)) undo = {std::string(found->remove), {{found->key, *id}}};
    return {{std::string(found->add), *object}, nullptr, std::move(undo), opened_by_itself(*object)};
}

bool is_device(const PlugStep& step) { return step.command.name == "device_add"; }

std::vector<PlugStep> device_steps(const model::Domain& live, const std::string& alias,
                                   const Capabilities& capabilities, const Launch& launch, unsigned free_set) {
    const auto element = element_of(live, alias);
    const auto* kind = pluggable(element);
    if (!kind)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("a <{}> is not plugged into or out of a running domain", element))
            .hint("use --config: the change is there after the next start");
    const auto domain = only(live, alias);
    Command unused(capabilities.binary);
    Build build{domain, capabilities,         launch, chipset_of(live.os.machine.value_or("")), unused,
                {},     boot_indexes(domain), {}};
    build.next_fdset = free_set;
    build.plugging = true;
    kind->add(build);
    std::vector<PlugStep> steps;
    for (const auto& entry : build.arguments.entries()) steps.push_back(step_of(entry));
    if (kind->carries_others) // all of them were written
        std::erase_if(steps, [&](const PlugStep& step) {
            const auto* id = step.command.arguments.if_contains("id");
            return !id || *id != json::string_view(alias);
        });
    return steps;
}

} // namespace

void require_pluggable(std::string_view element, int line) {
    if (pluggable(element)) return;
    throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                line > 0 ? fmt::format("<{}> (line {}) is not plugged into or out of a running domain", element, line)
                         : fmt::format("a <{}> is not plugged into or out of a running domain", element))
        .hint("use --config: the change is there after the next start");
}

std::vector<PlugStep> plug_steps(const model::Domain& live, const std::string& alias, const Capabilities& capabilities,
                                 const Launch& launch, unsigned free_set) {
    auto steps = device_steps(live, alias, capabilities, launch, free_set);
    std::vector<Preparation> list;
    if (const auto prepare = find_kind(element_of(live, alias))->prepare) prepare(only(live, alias), list);
    for (auto& preparation : list)
        steps.push_back({{std::move(preparation.command), std::move(preparation.arguments)}, nullptr, {}});
    return steps;
}

std::vector<PlugStep> medium_steps(const model::Domain& live, const std::string& alias,
                                   const Capabilities& capabilities, const Launch& launch, unsigned free_set) {
    auto steps = device_steps(live, alias, capabilities, launch, free_set);
    std::erase_if(steps, is_device);
    return steps;
}

std::vector<std::string> own_devices(const model::Domain& live, const Capabilities& capabilities) {
    constexpr unsigned any_set = 1; // nothing is passed
    std::vector<std::string> own;
    model::for_each_device(live.devices, [&](std::string_view element, const auto& device) {
        if (!device.alias || !pluggable(element)) return;
        const auto steps = device_steps(live, *device.alias, capabilities, Launch{}, any_set);
        const auto is_it = [&](const PlugStep& step) {
            const auto* id = step.command.arguments.if_contains("id");
            return is_device(step) && id && *id == json::string_view(*device.alias);
        };
        if (std::ranges::any_of(steps, is_it)) own.push_back(*device.alias);
    });
    return own;
}

std::vector<MonitorCommand> leftovers(const model::Domain& live, const std::string& alias,
                                      const Capabilities& capabilities) {
    constexpr unsigned any_set = 1; // nothing is passed
    std::vector<MonitorCommand> commands;
    for (auto& step : std::views::reverse(medium_steps(live, alias, capabilities, Launch{}, any_set)))
        commands.push_back(std::move(step.undo));
    return commands;
}

} // namespace domus::engine::qemu
