#include "http/openapi.hpp"

#include "http/problem.hpp"
#include "http/routes.hpp"
#include "service/registry.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

namespace domus::http {

namespace json = boost::json;

namespace {

constexpr std::string_view components = "#/components/schemas/";

json::array rights_of(const service::Row& row) {
    json::array rights;
    for (const auto& need : row.rights)
        if (!need.tag) rights.emplace_back(format::word(need.right));
    return rights;
}

json::object content(std::string_view type, json::object schema) {
    return {{type, json::object{{"schema", std::move(schema)}}}};
}

json::object parameter(std::string_view name, std::string_view in, bool required, json::object schema) {
    const auto* type = schema.if_contains("type");
    const bool list = type && *type == "array";
    json::object out{{"name", name}, {"in", in}, {"required", required}, {"schema", std::move(schema)}};
    if (list) out["style"] = "form", out["explode"] = false; // separated by commas
    return out;
}

/// Of one route, as an operation of OpenAPI.
class Writer {
public:
    Writer(const Route& route, format::JsonDefinitions& definitions)
        : route_(route), row_(*route.row), arguments_(route.arguments()), definitions_(definitions),
          has_body_(has_body(row_)) {}

    json::object operation() {
        json::object out{{"operationId", row_.name},
                         {"summary", row_.summary},
                         {"tags", json::array{row_.name.substr(0, row_.name.find('.'))}}};
        json::array parameters;
        for (const auto& part : route_.path)
            if (part.argument) parameters.push_back(parameter(part.text, "path", true, place(part.text)));
        for (const auto& [name, part] : route_.query)
            parameters.push_back(parameter(name, "query", true, part.argument ? place(part.text) : word_alone()));
        for (const auto& argument : arguments_)
            if (!has_body_ && !in_place(argument.name))
                parameters.push_back(parameter(argument.name, "query", argument.required, argument.schema));
        if (row_.effect == service::Effect::job)
            parameters.push_back(
                parameter("Prefer", "header", false,
                          {{"type", "string"}, {"description", "wait=SECONDS, for the end of the job"}}));
        if (!parameters.empty()) out["parameters"] = std::move(parameters);
        if (has_body_) add_body(out);
        out["responses"] = responses();
        return out;
    }

private:
    static bool has_body(const service::Row& row) {
        return row.method == service::Method::post || row.method == service::Method::put
               || row.method == service::Method::patch;
    }

    static json::object word_alone() { return {{"const", ""}}; }

    json::object place(std::string_view name) const {
        for (const auto& argument : arguments_)
            if (argument.name == name) return argument.schema;
        return {{"type", "string"}}; // a part of one
    }

    bool in_place(std::string_view name) const {
        const auto is_it = [&](const Route::Part& part) {
            return part.argument && part.text.substr(0, part.text.find('.')) == name;
        };
        return std::ranges::any_of(route_.path, is_it)
               || std::ranges::any_of(route_.query, [&](const auto& each) { return is_it(each.second); });
    }

    void add_body(json::object& out) const {
        const auto* document = document_of(row_);
        json::object properties;
        json::array required;
        bool takes_xml = false;
        for (const auto& argument : arguments_) {
            if (in_place(argument.name)) continue;
            if (argument.name == "xml") {
                takes_xml = true;
                if (document) properties["definition"] = definitions_.refer(document->schema());
            } else if (argument.required) {
                required.emplace_back(argument.name);
            }
            properties[argument.name] = argument.schema;
        }
        if (properties.empty()) return;
        json::object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
        const bool must_be_there = takes_xml || !required.empty();
        if (!required.empty()) schema["required"] = std::move(required);
        auto types = content(json_type, std::move(schema));
        if (takes_xml) types[xml_type] = json::object{{"schema", json::object{{"type", "string"}}}};
        out["requestBody"] = json::object{{"required", must_be_there}, {"content", std::move(types)}};
    }

    json::object responses() const {
        auto schema = route_.result(definitions_);
        json::object out;
        if (row_.effect == service::Effect::job) {
            out["200"] =
                json::object{{"description", "the job, which has ended"}, {"content", content(json_type, schema)}};
            out["202"] = json::object{{"description", "the job, which goes on"},
                                      {"content", content(json_type, std::move(schema))}};
        } else if (schema.empty()) {
            out["204"] = json::object{{"description", "done"}};
        } else {
            const auto* document = row_.document ? document_of(row_) : nullptr;
            json::object types;
            if (!row_.document) types = content(json_type, std::move(schema));
            if (document) types = content(json_type, definitions_.refer(document->schema()));
            if (row_.document) types[xml_type] = json::object{{"schema", json::object{{"type", "string"}}}};
            out["2XX"] = json::object{{"description", "done"}, {"content", std::move(types)}};
        }
        out["default"] =
            json::object{{"description", "what failed, why, and what mends it"},
                         {"content", content(problem_type, definitions_.refer("problem", problem_schema()))}};
        return out;
    }

    const Route& route_;
    const service::Row& row_;
    std::vector<Route::Description> arguments_;
    format::JsonDefinitions& definitions_;
    bool has_body_;
};

/// Either of two schemas.
void add_choice(json::value& schema, const json::value& other) {
    auto& there = schema.as_object();
    if (!there.contains("anyOf")) {
        if (schema == other) return;
        schema = json::object{{"anyOf", json::array{schema}}};
    }
    auto& choices = schema.at("anyOf").as_array();
    if (std::ranges::find(choices, other) == choices.end()) choices.push_back(other);
}

/// Operations that differ by their query alone are one for OpenAPI: its parameters are those of all, none is demanded.
void merge(json::object& there, json::object more) {
    there["summary"] = fmt::format("{}; or {}", std::string_view(there["summary"].as_string()),
                                   std::string_view(more["summary"].as_string()));
    auto& parameters = there["parameters"];
    if (!parameters.is_array()) parameters = json::array{};
    if (auto* others = more.if_contains("parameters"))
        for (auto& each : others->as_array()) {
            const bool known = std::ranges::any_of(parameters.as_array(), [&](const json::value& old) {
                return old.at("name") == each.at("name") && old.at("in") == each.at("in");
            });
            if (known) continue;
            if (each.at("in") == "query") each.as_object()["required"] = false;
            parameters.as_array().push_back(std::move(each));
        }
    auto& mine = there["responses"].as_object();
    auto& theirs = more["responses"].as_object();
    for (const auto& [status, response] : theirs)
        if (!mine.contains(status)) mine[status] = response;
    if (!mine.contains("2XX") || !theirs.contains("2XX")) return;
    const auto schema_of = [](json::value& of) -> json::value& { return of.at("content").at(json_type).at("schema"); };
    add_choice(schema_of(mine["2XX"]), schema_of(theirs["2XX"]));
    if (more.contains("requestBody")) add_choice(schema_of(there["requestBody"]), schema_of(more["requestBody"]));
}

std::string path_text(const Route& route) { return std::string(route.row->path.substr(0, route.row->path.find('?'))); }

/// One a row, for programs that walk through them.
json::object listed(const service::Row& row) {
    json::object out{{"name", row.name},
                     {"summary", row.summary},
                     {"effect", format::word(row.effect)},
                     {"method", format::word(row.method)},
                     {"path", row.path},
                     {"rights", rights_of(row)}};
    if (!row.verb.empty()) out["verb"] = row.verb;
    json::array procedures;
    for (const auto procedure : service::words_of(row.procedures)) procedures.emplace_back(procedure);
    if (!procedures.empty()) out["procedures"] = std::move(procedures);
    json::array arguments(row.arguments.begin(), row.arguments.end());
    out["arguments"] = std::move(arguments);
    return out;
}

} // namespace

json::object openapi() {
    format::JsonDefinitions definitions{std::string(components)};
    json::object paths;
    json::array operations;
    for (const auto& route : routes()) {
        operations.push_back(listed(*route.row));
        auto& methods = paths[path_text(route)];
        if (!methods.is_object()) methods = json::object{};
        auto operation = Writer(route, definitions).operation();
        auto& place = methods.as_object()[format::word(route.row->method)];
        if (place.is_object())
            merge(place.as_object(), std::move(operation));
        else
            place = std::move(operation);
    }
    return {
        {"openapi", "3.1.0"},
        {"info", json::object{{"title", "Domus"},
                              {"version", DOMUS_VERSION},
                              {"description", "Virtual machines, networks, storage and secrets of a host. A caller is "
                                              "known by the user at the other end of the Unix socket."},
                              {"license", json::object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
        {"servers", json::array{json::object{{"url", root}}}},
        {"paths", std::move(paths)},
        {"components", json::object{{"schemas", definitions.all()}}},
        {"x-operations", std::move(operations)}};
}

const std::string& openapi_text() {
    static const auto text = json::serialize(openapi());
    return text;
}

} // namespace domus::http
