// Definitions of any kind of object.
#pragma once

#include "service/definitions.hpp"
#include "service/operation.hpp"

namespace domus::service {

inline constexpr auto definition_rows = table(
    Family::definition, operation<&DefinitionOperations::check>({.name = "definition.check",
                                                                 .summary = "check a definition without keeping it",
                                                                 .rights = {Right::connect_write},
                                                                 .method = Method::post,
                                                                 .path = "/definitions/check",
                                                                 .procedures = "CHECK_DEFINITION",
                                                                 .verb = "import",
                                                                 .arguments = {"xml"}}));
constexpr const auto& rows_of(std::type_identity<DefinitionOperations>) { return definition_rows; }

} // namespace domus::service
