#include "format/json_schema.hpp"

#include "format/json.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace domus::format {

namespace json = boost::json;

namespace {

/// Of one element of a table.
class Walker {
public:
    explicit Walker(JsonDefinitions& definitions) : definitions_(definitions) {}

    json::object element(const Node& node) {
        json::object properties;
        json::array wanted;
        for (const auto& field : node.attributes) {
            const auto key = json_attribute_key(node, field);
            add(properties, key, documented(value(field), field.doc));
            const bool always = field.choices == Field::every_choice && (field.options & required);
            if (always && std::ranges::find(wanted, json::value(key)) == wanted.end()) wanted.emplace_back(key);
        }
        if (node.content && node.content->place != Place::element)
            add(properties, json_content_key(node), documented(value(*node.content), node.content->doc));
        for (const auto& below : node.children) {
            if (!below.refusal.empty()) continue;
            add(properties, below.name, child(below));
            if (below.content && (below.content->options & required)) wanted.emplace_back(below.name);
        }
        json::object out{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
        if (!wanted.empty()) out["required"] = std::move(wanted);
        return out;
    }

private:
    json::object child(const Node& node) {
        if (node.content && node.content->place == Place::element) {
            auto one = documented(value(*node.content), node.content->doc);
            if (!node.content->holder->many) return one;
            return {{"type", "array"}, {"items", std::move(one)}};
        }
        if (json_is_plain(node)) return documented(value(*node.content), node.content->doc);
        return element(node);
    }

    json::object value(const Field& field) {
        if (field.place == Place::flag) return {{"type", "boolean"}};
        if (field.amount()) return {{"type", "integer"}, {"minimum", 0}, {"description", "bytes"}};
        if (field.type->schema) return definitions_.refer(field.type->schema());
        return json_schema_of(*field.type);
    }

    static json::object documented(json::object schema, std::string_view doc) {
        if (!doc.empty()) schema["description"] = doc;
        return schema;
    }

    /// What counts beside one word may be something else beside another.
    static void add(json::object& properties, std::string_view key, json::object schema) {
        const auto found = properties.find(key);
        if (found == properties.end()) {
            properties[key] = std::move(schema);
            return;
        }
        auto& there = found->value().as_object();
        if (there == schema) return;
        if (!there.contains("anyOf")) there = json::object{{"anyOf", json::array{std::move(there)}}};
        there["anyOf"].as_array().push_back(std::move(schema));
    }

    JsonDefinitions& definitions_;
};

} // namespace

json::object json_schema_of(const ValueType& type) {
    if (type.json == JsonKind::boolean) return {{"type", "boolean"}};
    if (type.json == JsonKind::number) return {{"type", "number"}};
    if (type.words.empty()) return {{"type", "string"}};
    json::array words;
    for (const auto word : type.words)
        if (!word.empty()) words.emplace_back(word);
    return {{"type", "string"}, {"enum", std::move(words)}};
}

json::object JsonDefinitions::reference(const std::string& name) const { return {{"$ref", prefix_ + name}}; }

json::object JsonDefinitions::refer(const std::string& name, json::object definition) {
    if (!all_.contains(name)) all_[name] = std::move(definition);
    return reference(name);
}

json::object JsonDefinitions::refer(const Schema& schema) {
    if (const auto known = names_.find(&schema); known != names_.end()) return reference(known->second);
    std::string base;
    for (const char c : schema.name()) base += c == ':' ? '-' : c; // names of components have no colon
    auto name = base;
    for (int n = 2; all_.contains(name); ++n) name = base + "-" + std::to_string(n);
    names_.emplace(&schema, name);
    all_[name] = json::object{}; // elements that contain themselves find it
    auto definition = Walker(*this).element(schema.root());
    if (schema.rest_offset() >= 0)
        definition["properties"].as_object()["other"] = json::object{{"type", "array"},
                                                                     {"items", json::object{{"type", "object"}}},
                                                                     {"description", "what the table does not name"}};
    if (!schema.doc().empty()) definition["description"] = schema.doc();
    all_[name] = std::move(definition);
    return reference(name);
}

} // namespace domus::format
