// JSON of every described type, from the same tables as its XML:
//
//     <disk type='file'><driver name='qemu'/><target dev='vda'/><readonly/></disk>
//     {"type": "file", "driver": {"name": "qemu"}, "target": {"dev": "vda"}, "readonly": true}
//
// An element is an object, whose keys are its attributes and children; one that has only text is that text. Text
// beside attributes or children has the key "value" ("content" where one of them is called so), and an attribute that
// has a child of the same name is "@name". Elements that may stand several times are an array. Numbers and yes/no are
// JSON's own; amounts count bytes. What the table does not name stands under "other", as Rest has it.
#pragma once

#include "base/error.hpp"
#include "format/schema.hpp"
#include "format/xml.hpp"

#include <boost/json/fwd.hpp>
#include <boost/json/object.hpp>

namespace domus::format {

boost::json::object write_json(const Schema& schema, const void* value, const WriteOptions& options);
/// Throws Error (invalid_arg) that lists what is unknown, missing, or of the wrong kind, each with its path.
void read_json(const boost::json::value& json, const Schema& schema, void* value, ErrorDomain domain);

template <Described T> boost::json::object to_json(const T& value, const WriteOptions& options = {}) {
    return write_json(T::schema(), &value, options);
}

template <Described T> T from_json(const boost::json::value& json, ErrorDomain domain = ErrorDomain::none) {
    T value{};
    read_json(json, T::schema(), &value, domain);
    return value;
}

/// Under which key a node's text or an attribute stands in the node's object.
std::string_view json_content_key(const Node& node);
std::string json_attribute_key(const Node& node, const Field& field);
/// Whether the node is its text alone, and no object.
bool json_is_plain(const Node& node);

} // namespace domus::format
