// JSON Schema (draft 2020-12) of what json.hpp writes and reads, from the same tables.
#pragma once

#include "format/schema.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <string>

namespace domus::format {

/// Schemas that others refer to by name. They refer to one another, and tables of different types may have one name.
class JsonDefinitions {
public:
    /// `prefix`: what a reference begins with: "#/components/schemas/".
    explicit JsonDefinitions(std::string prefix) : prefix_(std::move(prefix)) {}

    /// {"$ref": "..."} to the definition of a type, which is made the first time.
    boost::json::object refer(const Schema& schema);
    /// One that is not made from a table.
    boost::json::object refer(const std::string& name, boost::json::object definition);
    const boost::json::object& all() const { return all_; }

private:
    boost::json::object reference(const std::string& name) const;

    std::string prefix_;
    std::map<const Schema*, std::string> names_;
    boost::json::object all_;
};

/// Of one value that is no element.
boost::json::object json_schema_of(const ValueType& type);

} // namespace domus::format
