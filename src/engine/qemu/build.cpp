#include "engine/qemu/build.hpp"

#include "base/error.hpp"
#include "engine/qemu/capabilities.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

std::string Build::pass(const SharedFd& fd) {
    const auto [at, fresh] = passed.try_emplace(fd.get());
    if (!fresh) return at->second;
    if (plugging) {
        at->second = fmt::format("domus-{}", passed.size()); // a name begins with a letter
        arguments.fd({.fd = fd, .name = at->second});
    } else {
        at->second = std::to_string(command.pass(fd));
    }
    return at->second;
}

std::string Build::path(const SharedFd& fd, const std::string& otherwise) {
    if (!fd) return otherwise;
    if (plugging) return path(Launch::Image{{fd}}, otherwise, {});
    return fmt::format("/dev/fd/{}", pass(fd));
}

std::string Build::path(const Launch::Image& image, const std::string& otherwise, const std::string& owner) {
    if (image.empty()) return otherwise;
    const auto set = next_fdset++;
    for (const auto& fd : image.fds)
        arguments.fd({.fd = fd, .number = plugging ? -1 : command.pass(fd), .set = set, .owner = owner});
    return fmt::format("/dev/fdset/{}", set);
}

std::string Build::file(const std::string& name) { return path(find(launch.files, name), name); }

std::string Build::secret(const std::string& id, const Sensitive* value, const std::string& owner) {
    auto file = id;
    if (value) {
        const auto memory = std::make_shared<UniqueFd>(make_memfd("domus-secret", value->view()));
        // QEMU reads the file by itself, not as it does images: a set of descriptors means nothing to it.
        file = plugging ? path(Launch::Image{{memory}}, {}, owner) : path(memory, {});
    }
    arguments.object({{"qom-type", "secret"}, {"id", id}, {"format", "raw"}, {"file", file}});
    return id;
}

SharedFd Build::find(const std::map<std::string, SharedFd>& in, const std::string& alias) {
    const auto found = in.find(alias);
    return found == in.end() ? nullptr : found->second;
}

bool Build::has_device(std::string_view driver) const { return capabilities.has_device(driver); }

void Build::need_device(std::string_view driver, std::string_view element, int line) const {
    if (has_device(driver)) return;
    refuse(element, line, fmt::format("'{}' has no device '{}'", capabilities.binary, driver));
}

json::object Build::device(std::string_view driver, const std::string& alias) const {
    json::object device{{"driver", driver}, {"id", alias}};
    if (const auto boot = boot_indexes.find(alias); boot != boot_indexes.end()) device["bootindex"] = boot->second;
    return device;
}

const model::Controller* Build::controller(model::ControllerType type, unsigned index) const {
    for (const auto& controller : domain.devices.controllers)
        if (controller.type == type && controller.index == index) return &controller;
    return nullptr;
}

std::string Build::bus_of(model::ControllerType type, unsigned index) const {
    const auto* found = controller(type, index);
    if (!found || !found->alias)
        throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                    fmt::format("a device sits on controller '{}' {}, which the domain does not have",
                                format::word(type), index));
    return *found->alias + ".0";
}

void Build::place(json::object& device, const std::optional<model::Address>& address) const {
    if (!address) return;
    if (address->type == model::AddressType::usb) {
        device["bus"] = bus_of(model::ControllerType::usb, address->bus);
        device["port"] = address->usb_port;
    } else if (address->type == model::AddressType::pci) {
        const auto* made_by = controller(model::ControllerType::pci, address->bus);
        device["bus"] = made_by && made_by->alias ? *made_by->alias : fmt::format("pci.{}", address->bus);
        device["addr"] = address->function == 0 ? fmt::format("{:#x}", address->slot)
                                                : fmt::format("{:#x}.{:#x}", address->slot, address->function);
        if (address->multifunction) device["multifunction"] = on(*address->multifunction);
    }
}

void refuse(std::string_view element, int line, std::string_view what, std::string hint) {
    auto error = Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                       line > 0 ? fmt::format("<{}> (line {}): {}", element, line, what)
                                : fmt::format("<{}>: {}", element, what));
    if (hint.empty()) throw error;
    throw std::move(error).hint(std::move(hint));
}

std::string virtio_name(std::string_view base, const std::optional<std::string>& model) {
    std::string name(base);
    if (model && model->ends_with("non-transitional")) return name + "-non-transitional";
    if (model && model->ends_with("transitional")) return name + "-transitional";
    return name;
}

void set_rom(Build& build, json::object& device, const model::Rom& rom) {
    if (rom.bar) device["rombar"] = on(*rom.bar) ? 1 : 0;
    if (rom.file) device["romfile"] = build.file(*rom.file);
    if (rom.enabled && !*rom.enabled) device["romfile"] = "";
}

} // namespace domus::engine::qemu
