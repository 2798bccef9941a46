// The description of the API (OpenAPI 3.1), made from the rows of operations and the tables of their values.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>

namespace domus::http {

boost::json::object openapi();
/// The same as text, made once.
const std::string& openapi_text();

} // namespace domus::http
