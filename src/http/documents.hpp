// Definitions: operations take and give them as XML, clients of HTTP also as JSON by the same tables.
#pragma once

#include "format/schema.hpp"
#include "service/operation.hpp"

#include <boost/json/fwd.hpp>

#include <string>

namespace domus::http {

/// One type of definition.
struct Document {
    const format::Schema& (*schema)();
    boost::json::object (*to_json)(const std::string& xml);
    /// Throws invalid_arg that lists what is unknown, missing or of the wrong kind, each with its path.
    std::string (*to_xml)(const boost::json::value& json);
};

/// Of the operation's argument "xml", or of its result. Null where that has no table: then it is XML alone.
const Document* document_of(const service::Row& row);

} // namespace domus::http
