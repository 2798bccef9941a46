#include "format/json.hpp"
#include "format/xml.hpp"
#include "format/xml_document.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <algorithm>

namespace domus::format {

namespace json = boost::json;

namespace {

constexpr std::string_view other_key = "other";
constexpr std::size_t most_faults = 20;

json::value number(std::string_view text) {
    std::uint64_t positive = 0;
    std::int64_t negative = 0;
    double real = 0;
    if (detail::parse_unsigned(text, positive)) return positive;
    if (detail::parse_signed(text, negative)) return negative;
    if (detail::parse_double(text, real)) return real;
    return json::value(text);
}

json::object item(const Rest::Item& kept) {
    json::object out;
    if (!kept.parent.empty()) out["parent"] = kept.parent;
    if (!kept.after.empty()) out["after"] = kept.after;
    if (!kept.attribute.empty()) out["attribute"] = kept.attribute;
    out["text"] = kept.text;
    return out;
}

class Writer {
public:
    explicit Writer(const WriteOptions& options) : options_(options) {}

    json::object record(const Schema& schema, const void* value) const {
        json::object out;
        inside(schema.root(), value, out);
        const Rest* rest = schema.rest(value);
        if (!rest || rest->items.empty()) return out;
        json::array items;
        for (const auto& kept : rest->items) items.push_back(item(kept));
        out[other_key] = std::move(items);
        return out;
    }

private:
    std::size_t count(const Field& field, const void* value) const {
        const bool hidden =
            (!options_.live && (field.options & live_only)) || (!options_.secrets && (field.options & secret));
        return hidden || !field.applies(value) ? 0 : field.holder->count(field.member(value));
    }

    void inside(const Node& node, const void* value, json::object& out) const {
        for (const auto& field : node.attributes)
            if (count(field, value)) out[json_attribute_key(node, field)] = scalar(field, first(field, value));
        if (has_text(node, value)) out[json_content_key(node)] = scalar(*node.content, first(*node.content, value));
        for (const auto& below : node.children) child(below, value, out);
    }

    void child(const Node& node, const void* value, json::object& out) const {
        if (node.content && node.content->place == Place::element) return elements(*node.content, value, out);
        if (json_is_plain(node)) {
            if (has_text(node, value)) out[node.name] = scalar(*node.content, first(*node.content, value));
            return;
        }
        json::object below;
        inside(node, value, below);
        if (!below.empty() || node.keep) out[node.name] = std::move(below);
    }

    void elements(const Field& field, const void* value, json::object& out) const {
        const auto n = count(field, value);
        if (n == 0) return;
        if (!field.holder->many) {
            auto one = element(field, first(field, value));
            const bool empty = field.holder->bare && one.is_object() && one.get_object().empty();
            if (!empty) out[field.name] = std::move(one);
            return;
        }
        json::array list;
        for (std::size_t i = 0; i < n; ++i) list.push_back(element(field, field.holder->at(field.member(value), i)));
        out[field.name] = std::move(list);
    }

    json::value element(const Field& field, const void* slot) const {
        if (field.type->schema) return record(field.type->schema(), slot);
        return scalar(field, slot);
    }

    bool has_text(const Node& node, const void* value) const {
        if (!node.content || node.content->place == Place::element || !count(*node.content, value)) return false;
        return node.content->place != Place::flag || *static_cast<const bool*>(node.content->member(value));
    }

    static const void* first(const Field& field, const void* value) { return field.holder->at(field.member(value), 0); }

    static json::value scalar(const Field& field, const void* slot) {
        if (field.amount()) return static_cast<const ByteCount*>(slot)->bytes;
        if (field.place == Place::flag) return true;
        std::string text;
        field.type->print(slot, text);
        if (field.type->json == JsonKind::number) return number(text);
        if (field.type->json == JsonKind::boolean) return text == "yes" || text == "on";
        return json::value(text);
    }

    const WriteOptions& options_;
};

class Reader {
public:
    explicit Reader(std::vector<std::string>& faults) : faults_(faults) {}

    void record(const json::value& from, const Schema& schema, void* value, const std::string& path) {
        const auto* object = from.if_object();
        if (!object) return fault(path, "must be an object");
        if (!schema.selector().empty()) selector(*object, schema, value);
        std::vector<std::string_view> known{other_key};
        inside(*object, schema.root(), value, path, known);
        unknown(*object, known, path);
        if (const auto* items = object->if_contains(other_key)) rest(*items, schema.rest(value), path);
    }

private:
    void fault(const std::string& path, std::string_view text) {
        if (faults_.size() < most_faults)
            faults_.push_back(fmt::format("{} {}", path.empty() ? "the document" : path, text));
    }

    static std::string join(const std::string& path, std::string_view key) {
        return path.empty() ? std::string(key) : fmt::format("{}/{}", path, key);
    }

    void selector(const json::object& object, const Schema& schema, void* value) {
        const Field& field = *schema.root().attribute(schema.selector(), value);
        const auto* word = object.if_contains(json_attribute_key(schema.root(), field));
        if (word && word->is_string()) field.type->parse(word->get_string(), field.holder->add(field.member(value)));
    }

    void unknown(const json::object& object, const std::vector<std::string_view>& known, const std::string& path) {
        for (const auto& [key, entry] : object)
            if (std::find(known.begin(), known.end(), key) == known.end()) fault(join(path, key), "is unknown");
    }

    /// The entry of that key, if it has a value; notes that the key is known.
    static const json::value* entry(const json::object& object, std::string_view key,
                                    std::vector<std::string_view>& known) {
        const auto place = object.find(key);
        if (place == object.end()) return nullptr;
        known.push_back(place->key());
        return place->value().is_null() ? nullptr : &place->value();
    }

    void inside(const json::object& object, const Node& node, void* value, const std::string& path,
                std::vector<std::string_view>& known) {
        for (const auto& field : node.attributes) {
            if (!field.applies(value)) continue;
            const auto key = json_attribute_key(node, field);
            if (const auto* found = entry(object, key, known))
                scalar(*found, field, value, join(path, key));
            else if (field.options & required)
                fault(join(path, key), "is missing");
        }
        if (node.content && node.content->place != Place::element) {
            const auto key = json_content_key(node);
            if (const auto* found = entry(object, key, known)) scalar(*found, *node.content, value, join(path, key));
        }
        for (const auto& below : node.children) {
            const auto* found = entry(object, below.name, known);
            if (found)
                child(*found, below, value, join(path, below.name));
            else if (below.content && (below.content->options & required))
                fault(join(path, below.name), "is missing");
        }
    }

    void child(const json::value& from, const Node& node, void* value, const std::string& path) {
        if (!node.refusal.empty())
            return fault(path, fmt::format("is not supported by this version: {}", node.refusal));
        if (node.content && node.content->place == Place::element) return elements(from, *node.content, value, path);
        if (json_is_plain(node)) return scalar(from, *node.content, value, path);
        const auto* object = from.if_object();
        if (!object) return fault(path, "must be an object");
        std::vector<std::string_view> known;
        inside(*object, node, value, path, known);
        unknown(*object, known, path);
        for (const auto& field : node.attributes)
            if ((field.options & implied) && !object->if_contains(json_attribute_key(node, field)))
                field.holder->add(field.member(value));
    }

    void elements(const json::value& from, const Field& field, void* value, const std::string& path) {
        if (!field.holder->many) return element(from, field, value, path);
        const auto* list = from.if_array();
        if (!list) return fault(path, "must be an array");
        for (std::size_t i = 0; i < list->size(); ++i)
            element((*list)[i], field, value, fmt::format("{}[{}]", path, i));
    }

    void element(const json::value& from, const Field& field, void* value, const std::string& path) {
        if (field.type->schema)
            record(from, field.type->schema(), field.holder->add(field.member(value)), path);
        else
            scalar(from, field, value, path);
    }

    void scalar(const json::value& from, const Field& field, void* value, const std::string& path) {
        if (field.place == Place::flag) return flag(from, field, value, path);
        const auto text = as_text(from, *field.type);
        if (text && !(field.place == Place::raw ? is_xml_content(*text) : is_xml_text(*text)))
            return fault(path, field.place == Place::raw ? "must be XML" : "has a character that XML does not allow");
        void* slot = field.holder->add(field.member(value));
        if (!text || !field.type->parse(*text, slot)) fault(path, fmt::format("must be {}", expected(*field.type)));
    }

    void flag(const json::value& from, const Field& field, void* value, const std::string& path) {
        if (const bool* truth = from.if_bool())
            *static_cast<bool*>(field.member(value)) = *truth;
        else
            fault(path, "must be true or false");
    }

    /// The text that the XML would have, if the kind is right.
    static std::optional<std::string> as_text(const json::value& from, const ValueType& type) {
        switch (type.json) {
        case JsonKind::boolean:
            if (!from.is_bool()) return std::nullopt;
            if (type.words.empty()) return from.get_bool() ? "yes" : "no";
            return std::string(type.words[from.get_bool() ? 0 : 1]);
        case JsonKind::number:
            if (from.is_double()) return fmt::format("{}", from.get_double());
            if (from.is_number()) return json::serialize(from);
            return std::nullopt;
        case JsonKind::text:
            if (from.is_string()) return std::string(from.get_string());
            return std::nullopt;
        }
        return std::nullopt;
    }

    static std::string expected(const ValueType& type) {
        if (type.json == JsonKind::boolean) return "true or false";
        if (!type.words.empty()) return fmt::format("one of {}", fmt::join(type.words, ", "));
        return fmt::format("a {}", type.name);
    }

    void rest(const json::value& from, Rest* rest, const std::string& path) {
        const auto* list = from.if_array();
        if (!list || !rest) return fault(join(path, other_key), "must be an array");
        const auto text = [](const json::object& object, std::string_view key) {
            const auto* found = object.if_contains(key);
            return found && found->is_string() ? std::string(found->get_string()) : std::string{};
        };
        for (const auto& entry : *list) {
            const auto* object = entry.if_object();
            if (!object) return fault(join(path, other_key), "must hold objects");
            Rest::Item item{text(*object, "parent"), text(*object, "after"), text(*object, "attribute"),
                            text(*object, "text")};
            const bool sound = item.attribute.empty() ? !root_element(item.text).empty()
                                                      : is_xml_name(item.attribute) && is_xml_text(item.text);
            if (!sound) return fault(join(path, other_key), "must hold elements, or attributes with their texts");
            rest->items.push_back(std::move(item));
        }
    }

    std::vector<std::string>& faults_;
};

} // namespace

std::string_view json_content_key(const Node& node) {
    const auto called_value = [](const auto& part) { return part.name == "value"; };
    const bool taken = std::any_of(node.attributes.begin(), node.attributes.end(), called_value)
                       || std::any_of(node.children.begin(), node.children.end(), called_value);
    return taken ? "content" : "value";
}

std::string json_attribute_key(const Node& node, const Field& field) {
    return node.child(field.name) ? "@" + field.name : field.name;
}

bool json_is_plain(const Node& node) {
    return node.content && node.content->place != Place::element && node.attributes.empty() && node.children.empty();
}

json::object write_json(const Schema& schema, const void* value, const WriteOptions& options) {
    return Writer(options).record(schema, value);
}

void read_json(const json::value& from, const Schema& schema, void* value, ErrorDomain domain) {
    std::vector<std::string> faults;
    Reader(faults).record(from, schema, value, "");
    if (!faults.empty())
        throw Error(ErrorCode::invalid_arg, domain,
                    fmt::format("JSON error in {}: {}", schema.name(), fmt::join(faults, "; ")));
}

} // namespace domus::format
