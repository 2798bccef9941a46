// What guests report of themselves.
#pragma once

#include "service/guests.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto guest_rows =
    table(Family::guest,
          operation<&GuestOperations::addresses>(
              {.name = "guest.addresses",
               .summary = "list the interfaces and addresses of a guest",
               .rights = {Right::domain_read,
                          with(Flags<AddressSource>{AddressSource::agent}, Right::domain_write,
                               {ErrorDomain::domain, "read only access prevents asking the guest's agent", {}})},
               .method = Method::get,
               .path = "/domains/{domain}/addresses",
               .procedures = "DOMAIN_INTERFACE_ADDRESSES",
               .verb = "domifaddr",
               .arguments = {"domain", "source"},
               .optional = {"source"}}));
constexpr const auto& rows_of(std::type_identity<GuestOperations>) { return guest_rows; }

} // namespace domus::service
