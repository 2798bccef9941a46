// The state of one build_command(), handed from part to part; and what the parts for devices have in common. Internal.
#pragma once

#include "base/sensitive.hpp"
#include "engine/capabilities.hpp"
#include "engine/launch.hpp"
#include "engine/qemu/arguments.hpp"
#include "engine/qemu/chipset.hpp"
#include "model/domain.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace domus::engine::qemu {

namespace json = boost::json;

struct Build {
    const model::Domain& domain;
    const Capabilities& capabilities;
    const Launch& launch;
    Chipset chipset;
    Command& command;
    Arguments arguments;
    std::map<std::string, unsigned> boot_indexes;  ///< by alias
    std::map<const UniqueFd*, std::string> passed; ///< names of descriptors that were passed
    unsigned next_fdset = 1;
    bool plugging = false; ///< into a running QEMU, which takes descriptors from its monitor

    /// How QEMU knows a descriptor: by its number, or when plugging by a name.
    std::string pass(const SharedFd& fd);
    /// "/dev/fd/N" when there is a descriptor, else the path.
    std::string path(const SharedFd& fd, const std::string& otherwise);
    /// "/dev/fdset/N" when there are descriptors, else the path. `owner`: alias of the device that they are for.
    std::string path(const Launch::Image& image, const std::string& otherwise, const std::string& owner);
    /// "/dev/fd/N" when that file of launch.files was opened, else the path.
    std::string file(const std::string& name);
    /// A secret that QEMU reads from memory; returns the id. Without a value, for people to read, its file is named
    /// like it. `owner`: alias of the device that it is for.
    std::string secret(const std::string& id, const Sensitive* value, const std::string& owner = {});
    /// A socket or file of launch.characters or .helpers; null if there is none.
    static SharedFd find(const std::map<std::string, SharedFd>& in, const std::string& alias);

    bool has_device(std::string_view driver) const;
    /// Throws when this QEMU does not have it.
    void need_device(std::string_view driver, std::string_view element, int line) const;

    /// {"driver":...,"id":...}, with the boot index if it has one.
    json::object device(std::string_view driver, const std::string& alias) const;
    /// Where it is plugged in: "bus" and "addr" of PCI, "bus" and "port" of USB; nothing for other addresses.
    void place(json::object& device, const std::optional<model::Address>& address) const;
    /// The bus that a controller of that type makes: alias + ".0".
    std::string bus_of(model::ControllerType type, unsigned index) const;
    const model::Controller* controller(model::ControllerType type, unsigned index) const;
};

/// Refuses what the definition says at that line: "<disk> (line 12): transient disks are not supported".
[[noreturn]] void refuse(std::string_view element, int line, std::string_view what, std::string hint = {});

/// "virtio-blk-pci", or its transitional or non-transitional kind by the model's name.
std::string virtio_name(std::string_view base, const std::optional<std::string>& model);

inline bool on(model::OnOff value) { return value == model::OnOff::on; }

/// Sets a JSON boolean where the option was given.
inline void set(json::object& object, std::string_view key, const std::optional<model::OnOff>& value) {
    if (value) object[key] = on(*value);
}
template <class T>
    requires std::is_arithmetic_v<T>
void set(json::object& object, std::string_view key, const std::optional<T>& value) {
    if (value) object[key] = *value;
}
inline void set(json::object& object, std::string_view key, const std::optional<std::string>& value) {
    if (value) object[key] = *value;
}

/// Options that every virtio device's <driver> has.
template <class Driver> void set_virtio(json::object& device, const Driver& driver) {
    set(device, "iommu_platform", driver.iommu);
    set(device, "ats", driver.ats);
    set(device, "packed", driver.packed);
    set(device, "page-per-vq", driver.page_per_vq);
}

/// The option ROM of a PCI device.
void set_rom(Build& build, json::object& device, const model::Rom& rom);

} // namespace domus::engine::qemu
