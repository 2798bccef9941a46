// Operations on devices of domains.
#pragma once

#include "service/devices.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto device_rows =
    table(Family::device,
          operation<&DeviceOperations::attach>(
              {.name = "device.attach",
               .summary = "add a device to a domain",
               .rights = {Right::domain_write,
                          without(Flags<DeviceFlag>{DeviceFlag::live, DeviceFlag::config}, Right::domain_save),
                          with(Flags<DeviceFlag>{DeviceFlag::config}, Right::domain_save)},
               .effect = Effect::change,
               .method = Method::post,
               .path = "/domains/{domain}/devices",
               .procedures = "DOMAIN_ATTACH_DEVICE DOMAIN_ATTACH_DEVICE_FLAGS",
               .verb = "attach-device",
               .arguments = {"domain", "xml", "flags"}}),
          operation<&DeviceOperations::detach>(
              {.name = "device.detach",
               .summary = "remove a device from a domain",
               .rights = {Right::domain_write,
                          without(Flags<DeviceFlag>{DeviceFlag::live, DeviceFlag::config}, Right::domain_save),
                          with(Flags<DeviceFlag>{DeviceFlag::config}, Right::domain_save)},
               .effect = Effect::change,
               .method = Method::post,
               .path = "/domains/{domain}/devices/detach",
               .procedures = "DOMAIN_DETACH_DEVICE DOMAIN_DETACH_DEVICE_FLAGS",
               .verb = "detach-device",
               .arguments = {"domain", "xml", "flags"}}),
          operation<&DeviceOperations::detach_alias>(
              {.name = "device.detach_alias",
               .summary = "remove a device, named by its alias, from a domain",
               .rights = {Right::domain_write,
                          without(Flags<DeviceFlag>{DeviceFlag::live, DeviceFlag::config}, Right::domain_save),
                          with(Flags<DeviceFlag>{DeviceFlag::config}, Right::domain_save)},
               .effect = Effect::change,
               .method = Method::remove,
               .path = "/domains/{domain}/devices/{alias}",
               .procedures = "DOMAIN_DETACH_DEVICE_ALIAS",
               .verb = "detach-device-alias",
               .arguments = {"domain", "alias", "flags"}}),
          operation<&DeviceOperations::update>(
              {.name = "device.update",
               .summary = "change a device of a domain",
               .rights = {Right::domain_write,
                          without(Flags<DeviceUpdateFlag>{DeviceUpdateFlag::live, DeviceUpdateFlag::config},
                                  Right::domain_save),
                          with(Flags<DeviceUpdateFlag>{DeviceUpdateFlag::config}, Right::domain_save)},
               .effect = Effect::change,
               .method = Method::put,
               .path = "/domains/{domain}/devices",
               .procedures = "DOMAIN_UPDATE_DEVICE_FLAGS",
               .verb = "update-device",
               .arguments = {"domain", "xml", "flags"}}),
          operation<&DeviceOperations::resize_disk>({.name = "device.resize_disk",
                                                     .summary = "resize a disk of a running domain",
                                                     .rights = {Right::domain_block_write},
                                                     .effect = Effect::change,
                                                     .method = Method::post,
                                                     .path = "/domains/{domain}/disks/{disk}/resize",
                                                     .procedures = "DOMAIN_BLOCK_RESIZE",
                                                     .verb = "blockresize",
                                                     .arguments = {"domain", "disk", "size", "flags"}}));
constexpr const auto& rows_of(std::type_identity<DeviceOperations>) { return device_rows; }

} // namespace domus::service
