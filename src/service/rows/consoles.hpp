// Consoles, displays and keyboards of guests.
#pragma once

#include "service/consoles.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto console_rows =
    table(Family::console,
          operation<&ConsoleOperations::open>({.name = "console.open",
                                               .summary = "open a serial console",
                                               .rights = {Right::domain_open_device},
                                               .effect = Effect::stream,
                                               .method = Method::get,
                                               .path = "/domains/{domain}/consoles/{device}",
                                               .procedures = "DOMAIN_OPEN_CONSOLE",
                                               .verb = "console",
                                               .arguments = {"domain", "device", "flags"}}),
          operation<&ConsoleOperations::screenshot>({.name = "console.screenshot",
                                                     .summary = "take a picture of a display",
                                                     .rights = {Right::domain_screenshot},
                                                     .effect = Effect::stream,
                                                     .method = Method::get,
                                                     .path = "/domains/{domain}/screens/{screen}",
                                                     .procedures = "DOMAIN_SCREENSHOT",
                                                     .verb = "screenshot",
                                                     .arguments = {"domain", "screen"}}),
          operation<&ConsoleOperations::send_key>({.name = "console.send_key",
                                                   .summary = "press keys of a guest",
                                                   .rights = {Right::domain_send_input},
                                                   .effect = Effect::change,
                                                   .method = Method::post,
                                                   .path = "/domains/{domain}/send-key",
                                                   .procedures = "DOMAIN_SEND_KEY",
                                                   .verb = "send-key",
                                                   .arguments = {"domain", "codeset", "codes", "hold_ms"},
                                                   .optional = {"codeset", "hold_ms"}}),
          operation<&ConsoleOperations::open_graphics>({.name = "console.open_graphics",
                                                        .summary = "open a display for a socket of the client",
                                                        .rights = {Right::domain_open_graphics},
                                                        .effect = Effect::stream,
                                                        .method = Method::get,
                                                        .path = "/domains/{domain}/graphics/{index}/socket",
                                                        .procedures = "DOMAIN_OPEN_GRAPHICS",
                                                        .arguments = {"domain", "index", "client", "flags"}}),
          operation<&ConsoleOperations::open_graphics_fd>({.name = "console.open_graphics_fd",
                                                           .summary = "open a display",
                                                           .rights = {Right::domain_open_graphics},
                                                           .effect = Effect::stream,
                                                           .method = Method::get,
                                                           .path = "/domains/{domain}/graphics/{index}",
                                                           .procedures = "DOMAIN_OPEN_GRAPHICS_FD",
                                                           .arguments = {"domain", "index", "flags"}}));
constexpr const auto& rows_of(std::type_identity<ConsoleOperations>) { return console_rows; }

} // namespace domus::service
