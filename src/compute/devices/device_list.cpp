#include "compute/devices/device_list.hpp"

#include "compute/domain/errors.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

template <class Kind>
concept Single = requires(Kind& kind) { kind.has_value(); };

/// Calls visit(device) for each of a kind, until it says true.
template <class Kind, class Visitor> bool any_of(Kind& kind, Visitor&& visit) {
    if constexpr (Single<Kind>)
        return kind && visit(*kind);
    else
        return std::ranges::any_of(kind, visit);
}

template <class Kind> const auto& only(const Kind& kind) {
    if constexpr (Single<Kind>)
        return *kind;
    else
        return kind.front();
}

template <class Kind> std::size_t count(const Kind& kind) {
    if constexpr (Single<Kind>)
        return kind ? 1 : 0;
    else
        return kind.size();
}

// ---- whether a device is the one that is meant --------------------------------------------------------------------

template <class Device> bool alike(const Device& device, const Device& wanted) {
    auto a = device, b = wanted;
    a.alias.reset();
    b.alias.reset();
    if (!b.address) a.address.reset();
    a.rest = b.rest = {};
    return a == b;
}

bool alike(const model::Disk& disk, const model::Disk& wanted) { return disk.target.dev == wanted.target.dev; }

bool alike(const model::Controller& controller, const model::Controller& wanted) {
    return controller.type == wanted.type && controller.index == wanted.index;
}

bool alike(const model::Interface& interface, const model::Interface& wanted) {
    if (wanted.mac && interface.mac != wanted.mac) return false;
    if (wanted.address && !wanted.address->is_open() && interface.address != wanted.address) return false;
    return wanted.mac || wanted.address;
}

/// The same thing of the host.
bool alike(const model::Hostdev& device, const model::Hostdev& wanted) {
    const auto source = [](const model::Hostdev& of) {
        return std::tie(of.mode, of.type, of.vendor, of.product, of.adapter, of.source_domain, of.source_bus,
                        of.source_slot, of.source_function, of.source_device, of.source_target, of.source_unit,
                        of.source_uuid, of.wwpn, of.name);
    };
    return source(device) == source(wanted);
}

template <class Device> bool meant(const Device& device, const Device& wanted) {
    // A definition has no aliases but the user's own: then the XML of the running domain is compared by what it says.
    return wanted.alias && device.alias ? device.alias == wanted.alias : alike(device, wanted);
}

// ---- what to say --------------------------------------------------------------------------------------------------

std::string describe(const model::Disk& disk) { return fmt::format("no target device {}", disk.target.dev); }
std::string describe(const model::Interface& interface) {
    return interface.mac ? fmt::format("no device matching MAC address {} found", *interface.mac)
                         : std::string("matching network device was not found");
}
template <class Device> std::string describe(const Device&) { return "no device is described like that"; }

[[noreturn]] void missing(std::string_view element, const std::string& what) {
    throw Error(ErrorCode::device_missing, ErrorDomain::qemu, fmt::format("device not found: <{}>: {}", element, what))
        .hint("give the device as 'domus dumpxml' shows it; live and persistent definition can differ");
}

/// Calls visit(list or optional of that kind in `devices`, the one wanted).
template <class D, class Visitor> void in_its_kind(D& devices, const OneDevice& which, Visitor&& visit) {
    model::for_each_kind([&](std::string_view element, auto member) {
        if (element == which.element) visit(devices.*member, only(which.devices.*member));
    });
}

/// Whether the address of the one suits the other.
template <class Device> bool same_bus(const Device&, const Device&) { return true; }

bool same_bus(const model::Disk& old, const model::Disk& wanted) {
    return !wanted.target.bus || wanted.target.bus == old.target.bus;
}

template <class Device> void require_free(const std::vector<Device>&, const Device&) {}

void require_free(const std::vector<model::Disk>& disks, const model::Disk& wanted) {
    for (const auto& disk : disks)
        if (disk.target.dev == wanted.target.dev)
            throw invalid_operation(fmt::format("target {} already exists", wanted.target.dev))
                .hint("choose another <target dev='...'/>; 'domus domblklist' shows those that are taken");
}

void require_free(const std::vector<model::Controller>& controllers, const model::Controller& wanted) {
    for (const auto& controller : controllers)
        if (wanted.index && controller.type == wanted.type && controller.index == wanted.index)
            throw invalid_operation(
                fmt::format("controller {} {} already exists", format::word(wanted.type), *wanted.index))
                .hint("leave 'index' out to get the next one");
}

} // namespace

OneDevice parse_device(const std::string& xml) {
    const auto root = format::root_element(xml);
    OneDevice one;
    one.devices = format::from_xml<model::Devices>("<devices>" + xml + "</devices>", ErrorDomain::device);
    std::size_t found = 0;
    model::for_each_kind([&](std::string_view element, auto member) {
        const auto number = count(one.devices.*member);
        if (number > 0) one.element = element;
        found += number;
    });
    if (found != 1)
        throw Error(ErrorCode::xml_error, ErrorDomain::device,
                    fmt::format("XML error: <{}> is not the XML of one device", root))
            .hint("give one element as it stands below <devices>, such as <disk>, <interface> or <hostdev>");
    return one;
}

OneDevice parse_update(const std::string& xml) {
    if (format::root_element(xml) != "graphics") return parse_device(xml);
    OneDevice one;
    one.element = "graphics";
    one.devices.graphics.push_back(format::from_xml<model::Graphics>(xml, ErrorDomain::device));
    return one;
}

void add_device(model::Devices& to, const OneDevice& device) {
    in_its_kind(to, device, [&](auto& kind, const auto& wanted) {
        if constexpr (Single<std::remove_reference_t<decltype(kind)>>) {
            if (kind) throw invalid_operation(fmt::format("domain already has a <{}>", device.element));
            kind = wanted;
        } else {
            require_free(kind, wanted);
            kind.push_back(wanted);
        }
    });
}

void remove_device(model::Devices& from, const OneDevice& which) {
    in_its_kind(from, which, [&](auto& kind, const auto& wanted) {
        const auto found = [&](const auto& device) { return meant(device, wanted); };
        if (!any_of(kind, found)) missing(which.element, describe(wanted));
        if constexpr (Single<std::remove_reference_t<decltype(kind)>>)
            kind.reset();
        else
            kind.erase(std::ranges::find_if(kind, found));
    });
}

void replace_device(model::Devices& in, const OneDevice& device) {
    if (device.element == "graphics") {
        const auto& wanted = device.devices.graphics.front();
        const auto found = std::ranges::find(in.graphics, wanted.type, &model::Graphics::type);
        if (found == in.graphics.end())
            missing(device.element, fmt::format("no display of type '{}'", format::word(wanted.type)));
        *found = wanted;
        return;
    }
    in_its_kind(in, device, [&](auto& kind, const auto& wanted) {
        const bool found = any_of(kind, [&](auto& old) {
            if (!meant(old, wanted)) return false;
            auto replacement = wanted;
            if (!replacement.alias) replacement.alias = old.alias;
            if (!replacement.address && same_bus(old, replacement)) replacement.address = old.address;
            old = std::move(replacement);
            return true;
        });
        if (!found) missing(device.element, describe(wanted));
    });
}

std::string alias_of(const model::Devices& live, const OneDevice& which) {
    std::optional<std::string> alias;
    in_its_kind(live, which, [&](const auto& kind, const auto& wanted) {
        const bool found = any_of(kind, [&](const auto& device) {
            if (!meant(device, wanted)) return false;
            alias = device.alias;
            return true;
        });
        if (!found) missing(which.element, describe(wanted));
    });
    return alias.value_or("");
}

std::optional<std::string> element_of(const model::Devices& live, std::string_view alias) {
    std::optional<std::string> element;
    model::for_each_device(live, [&](std::string_view name, const auto& device) {
        if (!element && device.alias == alias) element = name;
    });
    return element;
}

void remove_alias(model::Devices& from, std::string_view alias) {
    model::for_each_kind([&](std::string_view, auto member) {
        auto& kind = from.*member;
        if constexpr (Single<std::remove_reference_t<decltype(kind)>>) {
            if (kind && kind->alias == alias) kind.reset();
        } else {
            std::erase_if(kind, [&](const auto& device) { return device.alias == alias; });
        }
    });
}

void copy_alias(const model::Devices& from, std::string_view alias, model::Devices& to) {
    model::for_each_kind([&](std::string_view, auto member) {
        (void)any_of(from.*member, [&](const auto& device) {
            if (device.alias != alias) return false;
            auto& kind = to.*member;
            if constexpr (Single<std::remove_reference_t<decltype(kind)>>)
                kind = device;
            else
                kind.push_back(device);
            return true;
        });
    });
}

std::set<std::string> aliases(const model::Devices& live) {
    std::set<std::string> all;
    model::for_each_device(live, [&](std::string_view, const auto& device) {
        if (device.alias) all.insert(*device.alias);
    });
    return all;
}

} // namespace domus::compute
