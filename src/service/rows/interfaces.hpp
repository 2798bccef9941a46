// The host's network interfaces.
#pragma once

#include "service/interfaces.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto interface_rows =
    table(Family::interface,
          operation<&InterfaceOperations::list>(
              {.name = "interface.list",
               .summary = "list the network interfaces of the host",
               .rights = {Right::connect_search_interfaces},
               .method = Method::get,
               .path = "/host/interfaces",
               .procedures = "CONNECT_LIST_ALL_INTERFACES CONNECT_NUM_OF_INTERFACES CONNECT_NUM_OF_DEFINED_INTERFACES "
                             "CONNECT_LIST_INTERFACES CONNECT_LIST_DEFINED_INTERFACES",
               .verb = "iface-list",
               .arguments = {"flags"},
               .shown_by = {Right::interface_getattr}}),
          operation<&InterfaceOperations::lookup_by_name>({.name = "interface.find_by_name",
                                                           .summary = "find an interface of the host by its name",
                                                           .rights = {Right::interface_getattr},
                                                           .method = Method::get,
                                                           .path = "/host/interfaces?name={name}",
                                                           .procedures = "INTERFACE_LOOKUP_BY_NAME",
                                                           .verb = "iface-mac",
                                                           .arguments = {"name"}}),
          operation<&InterfaceOperations::lookup_by_mac>({.name = "interface.find_by_mac",
                                                          .summary = "find an interface of the host by its MAC address",
                                                          .rights = {Right::interface_getattr},
                                                          .method = Method::get,
                                                          .path = "/host/interfaces?mac={mac}",
                                                          .procedures = "INTERFACE_LOOKUP_BY_MAC_STRING",
                                                          .verb = "iface-name",
                                                          .arguments = {"mac"}}),
          operation<&InterfaceOperations::view>({.name = "interface.get",
                                                 .summary = "read the state of an interface of the host",
                                                 .rights = {Right::interface_read},
                                                 .method = Method::get,
                                                 .path = "/host/interfaces/{interface}",
                                                 .procedures = "INTERFACE_IS_ACTIVE",
                                                 .verb = "iface-list",
                                                 .arguments = {"interface"}}),
          operation<&InterfaceOperations::xml>({.name = "interface.xml",
                                                .summary = "print the definition of an interface of the host",
                                                .rights = {Right::interface_read},
                                                .method = Method::get,
                                                .path = "/host/interfaces/{interface}/definition",
                                                .procedures = "INTERFACE_GET_XML_DESC",
                                                .verb = "iface-dumpxml",
                                                .arguments = {"interface", "flags"},
                                                .document = true}));
constexpr const auto& rows_of(std::type_identity<InterfaceOperations>) { return interface_rows; }

} // namespace domus::service
