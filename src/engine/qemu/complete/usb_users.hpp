// The devices of a domain that need a USB port, in the order in which they choose.
#pragma once

#include "base/error.hpp"
#include "engine/qemu/device_name.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::engine::qemu {

struct UsbUser {
    std::string name;
    std::optional<model::Address>* address;
    bool hub = false;
};

class UsbUsers {
public:
    /// Throws xml_error for a device whose address is of another bus.
    template <class Device> void add(std::string_view element, Device& device, bool hub = false) {
        if (device.address && device.address->type != model::AddressType::usb)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("{} is on USB and cannot have an address of type '{}'",
                                    device_name(element, device), format::word(device.address->type)));
        list_.push_back({device_name(element, device), &device.address, hub});
    }
    std::vector<UsbUser> take() { return std::move(list_); }

private:
    std::vector<UsbUser> list_;
};

} // namespace domus::engine::qemu
