#include "engine/qemu/devices/device_kind.hpp"

#include <algorithm>
#include <vector>

namespace domus::engine::qemu {

namespace {

template <class Users> void list_in_turn(OnBus<Users> DeviceKind::* bus, model::Domain& domain, Users& users) {
    std::vector<OnBus<Users>> all;
    for (const auto* kind : all_kinds())
        if ((kind->*bus).list) all.push_back(kind->*bus);
    std::ranges::stable_sort(all, {}, &OnBus<Users>::turn);
    for (const auto& each : all) each.list(domain, users);
}

} // namespace

const DeviceKind* find_kind(std::string_view element) {
    const auto found = std::ranges::find(all_kinds(), element, [](const DeviceKind* kind) { return kind->element; });
    return found == all_kinds().end() ? nullptr : *found;
}

void list_all(model::Domain& domain, PciUsers& users) { list_in_turn(&DeviceKind::pci, domain, users); }
void list_all(model::Domain& domain, UsbUsers& users) { list_in_turn(&DeviceKind::usb, domain, users); }

} // namespace domus::engine::qemu
