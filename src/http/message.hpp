// Requests and responses of HTTP (RFC 9110) as routes see them.
#pragma once

#include "service/operation.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace domus::http {

inline constexpr std::string_view root = "/api/v1"; ///< below which all paths lie
inline constexpr std::string_view json_type = "application/json";
inline constexpr std::string_view xml_type = "application/xml";

struct Request {
    service::Method method = service::Method::none;
    std::vector<std::string> path;            ///< decoded segments below the root
    std::map<std::string, std::string> query; ///< decoded
    std::string content_type, accept;         ///< of the body, and what the client takes; empty: not said
    unsigned wait = 0;                        ///< seconds that the client prefers to wait for a job (RFC 7240)
    std::string body;
};

struct Response {
    unsigned status = 200;
    std::string type;                                        ///< of the body
    std::string body;                                        ///< empty: none
    std::vector<std::pair<std::string, std::string>> fields; ///< beside those of the body
};

/// Path and query of a request's target (RFC 9112, section 3.2.1). False for one outside of the root. Throws invalid_arg
/// for one that is none, or that names a part of the query twice.
bool read_target(std::string_view target, Request& request);

/// Words for a status (RFC 9110, section 15).
std::string_view reason_of(unsigned status);

/// A segment of a path, or a part of a query, in which a text may stand as it is.
std::string encode(std::string_view text);

/// Whether a list of media types (RFC 9110, section 12.5.1) has this one, and has it before another.
bool prefers(std::string_view accepted, std::string_view type, std::string_view other);

} // namespace domus::http
