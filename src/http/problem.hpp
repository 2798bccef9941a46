// Errors as problem details (RFC 9457):
//
//     {"type": "urn:domus:error:no-domain", "title": "there is no such domain", "status": 404,
//      "detail": "Domain not found: no domain with matching name 'web'", "code": 42, "causes": [], "hint": "..."}
//
// `code` is libvirt's number of the error (virErrorNumber); what HTTP itself refuses has none.
#pragma once

#include "base/error.hpp"
#include "http/message.hpp"

#include <boost/json/fwd.hpp>

#include <exception>

namespace domus::http {

inline constexpr std::string_view problem_type = "application/problem+json";

/// RFC 9110, section 15. 500 for codes that mean a fault of the daemon or the host.
unsigned status_of(ErrorCode code);

Response problem(const Error& error);
/// With a status of its own.
Response problem(const Error& error, unsigned status);
Response problem(const std::exception_ptr& failure);
/// Of HTTP itself, for which there is no code of libvirt's.
Response problem(unsigned status, std::string_view detail, std::string_view hint = {});

/// For what is not there at all.
inline constexpr std::string_view where_to_look = "GET /api/v1/openapi.json lists what there is";

/// JSON Schema of a problem.
boost::json::object problem_schema();

} // namespace domus::http
