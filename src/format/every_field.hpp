// For tests: every field of a document's tables, each with its path, and a document with that field changed. So one test
// holds for all fields, and a field that is added later is tested without a word.
//
//     for (const auto& place : every_field(model::Domain::schema()))     // place.path: "domain/devices/disk/driver@cache"
//         for (const auto& text : with_value(sample, place, "")) ...     // the sample's XML, with cache=''
//
// A path of an attribute that counts for some types only has the first of them: "address[drive]@bus".
#pragma once

#include "format/schema.hpp"

#include <pugixml.hpp>

#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace domus::format {

struct FieldPlace {
    std::string path;
    std::vector<std::string> elements; ///< from below the root to the one that has the field
    const Schema* table = nullptr;
    const Node* node = nullptr;
    const Field* field = nullptr;
    /// The word that makes the field count, the attribute that has it, and how many of the elements lead to that; or "".
    std::string selector, selected;
    std::size_t selector_depth = 0;

    bool is_attribute() const { return field->place == Place::attribute; }
    /// By what messages name it.
    const std::string& name() const { return field->name; }
};

namespace detail {

class FieldWalk {
public:
    explicit FieldWalk(const Schema& document) { enter(document, document.name()); }
    std::vector<FieldPlace> take() { return std::move(found_); }

private:
    void enter(const Schema& schema, const std::string& path) {
        if (!open_.insert(&schema).second) return; // a table inside itself: its fields have been named
        const auto outer = std::exchange(depth_, elements_.size());
        node(schema, schema.root(), path);
        depth_ = outer;
        open_.erase(&schema);
    }

    void node(const Schema& schema, const Node& node_, const std::string& path) {
        for (const auto& field : node_.attributes) add(schema, node_, field, path);
        if (node_.content) {
            const auto& field = *node_.content;
            if (field.type->schema)
                enter(field.type->schema(), path);
            else
                add(schema, node_, field, path);
        }
        for (const auto& child : node_.children) {
            if (!child.refusal.empty()) continue;
            elements_.push_back(child.name);
            node(schema, child, path + "/" + child.name);
            elements_.pop_back();
        }
    }

    void add(const Schema& schema, const Node& node_, const Field& field, const std::string& path) {
        FieldPlace place;
        place.elements = elements_;
        place.table = &schema;
        place.node = &node_;
        place.field = &field;
        std::string which;
        if (field.choices != Field::every_choice) {
            const auto first = static_cast<std::size_t>(std::countr_zero(field.choices));
            place.selector = schema.selector();
            place.selector_depth = depth_;
            for (const auto& other : schema.root().attributes)
                if (other.name == schema.selector()) place.selected = other.type->words[first];
            which = "[" + place.selected + "]";
        }
        place.path = path + which + (field.place == Place::attribute ? "@" + field.name : "");
        found_.push_back(std::move(place));
    }

    std::vector<std::string> elements_;
    std::size_t depth_ = 0; ///< of the table's own element
    std::set<const Schema*> open_;
    std::vector<FieldPlace> found_;
};

inline bool is_selected(const pugi::xml_node& element, const FieldPlace& place, std::size_t depth) {
    return place.selector.empty() || depth != place.selector_depth
           || place.selected == element.attribute(place.selector.c_str()).value();
}

/// Elements of a document that can have the field.
inline void find_elements(const pugi::xml_node& element, const FieldPlace& place, std::size_t depth,
                          std::vector<pugi::xml_node>& found) {
    if (!is_selected(element, place, depth)) return;
    if (depth == place.elements.size()) return found.push_back(element);
    for (const auto& child : element.children(place.elements[depth].c_str()))
        find_elements(child, place, depth + 1, found);
}

inline pugi::xml_node make_element(pugi::xml_node element, const FieldPlace& place) {
    for (std::size_t depth = 0; depth < place.elements.size();) {
        const auto* name = place.elements[depth++].c_str();
        const auto next = [&] {
            for (const auto& child : element.children(name))
                if (is_selected(child, place, depth)) return child;
            return element.append_child(name);
        };
        element = next();
        if (!is_selected(element, place, depth))
            element.append_attribute(place.selector.c_str()).set_value(place.selected.c_str());
    }
    return element;
}

inline void set_field(pugi::xml_node element, const FieldPlace& place, const std::optional<std::string>& value) {
    const auto& name = place.field->name;
    if (place.is_attribute()) {
        element.remove_attribute(name.c_str());
        if (value) element.append_attribute(name.c_str()).set_value(value->c_str());
        return;
    }
    if (!value) {
        element.parent().remove_child(element);
        return;
    }
    if (place.field->place == Place::flag) return;
    const auto is_text = [](const pugi::xml_node& child) {
        return child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata;
    };
    const bool raw = place.field->place == Place::raw;
    for (auto child = element.first_child(); child;) {
        const auto next = child.next_sibling();
        if (raw || is_text(child)) element.remove_child(child);
        child = next;
    }
    if (raw && !value->empty())
        element.append_child("p:probe").append_attribute("xmlns:p").set_value("urn:probe");
    else if (!value->empty())
        element.prepend_child(pugi::node_pcdata).set_value(value->c_str());
}

inline std::string text_of(const pugi::xml_document& document) {
    std::ostringstream out;
    document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration);
    return std::move(out).str();
}

} // namespace detail

/// Of all tables that the document leads to, each at every place where it is used.
inline std::vector<FieldPlace> every_field(const Schema& document) { return detail::FieldWalk(document).take(); }

/// Whether the document has the field's element, and whether the field itself.
struct Occurrence {
    std::size_t elements = 0;
    bool set = false;
};
inline Occurrence occurrence(const pugi::xml_document& document, const FieldPlace& place) {
    std::vector<pugi::xml_node> found;
    detail::find_elements(document.document_element(), place, 0, found);
    Occurrence result{found.size(), false};
    for (const auto& element : found)
        result.set |= !place.is_attribute() || element.attribute(place.field->name.c_str());
    return result;
}

/// How many of the elements that lead to the field a document has.
inline std::size_t depth_reached(const pugi::xml_document& document, const FieldPlace& place) {
    auto shorter = place;
    for (std::size_t depth = place.elements.size(); depth > 0; --depth) {
        shorter.elements.resize(depth);
        std::vector<pugi::xml_node> found;
        detail::find_elements(document.document_element(), shorter, 0, found);
        if (!found.empty()) return depth;
    }
    return 0;
}

enum class Missing { leave, make }; ///< elements that the document does not have

/// The document with the field at that value, or without it; one text for each element that can have it.
inline std::vector<std::string> with_value(const pugi::xml_document& document, const FieldPlace& place,
                                           const std::optional<std::string>& value, Missing missing = Missing::leave) {
    std::vector<pugi::xml_node> found;
    detail::find_elements(document.document_element(), place, 0, found);
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < found.size(); ++i) {
        pugi::xml_document changed;
        changed.reset(document);
        std::vector<pugi::xml_node> there;
        detail::find_elements(changed.document_element(), place, 0, there);
        detail::set_field(there[i], place, value);
        texts.push_back(detail::text_of(changed));
    }
    if (found.empty() && missing == Missing::make) {
        pugi::xml_document changed;
        changed.reset(document);
        detail::set_field(detail::make_element(changed.document_element(), place), place, value);
        texts.push_back(detail::text_of(changed));
    }
    return texts;
}

/// Values to try, of which some are good for the field: every word of an enumeration, and for texts what its
/// description says beside what paths, addresses, names and numbers look like.
inline std::vector<std::string> values_to_try(const Field& field) {
    const auto& type = *field.type;
    if (field.place == Place::flag) return {""};
    if (!type.words.empty()) return {type.words.begin(), type.words.end()};
    if (type.json == JsonKind::boolean) return {"yes", "no"};
    if (type.name == "UUID") return {"99999999-8888-4777-8666-555555555555"};
    std::vector<std::string> values{"1",    "2",    "5",    "0",      "16",      "64", "512",
                                    "1024", "4096", "8192", "100000", "1048576", "-1"};
    if (type.name != "text") return values;
    values.insert(values.begin(), {"probe", "/probe/file", "10.20.30.40", "52:54:00:aa:bb:cc", "yes", "on", "0-1",
                                   "virtio-transitional", "2026-11-29T20:00:00"});
    std::string word;
    for (const char c : std::string(field.doc) + " ") {
        const bool inside = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
                            || c == '_' || c == '.' || c == ':';
        if (inside)
            word += c;
        else {
            while (!word.empty() && (word.back() == ':' || word.back() == '.')) word.pop_back();
            if (!word.empty()) values.push_back(word);
            word.clear();
        }
    }
    return values;
}

} // namespace domus::format
