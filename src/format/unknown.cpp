// What a document has and no table knows.
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::format {

namespace {

void look_below(const Node& node, const void* value, Findings& findings) {
    if (node.content && node.content->place == Place::element && node.content->type->schema) {
        const Field& field = *node.content;
        const void* member = field.member(value);
        for (std::size_t i = 0; i < field.holder->count(member); ++i) find_unknown(field.type->schema(), field.holder->at(member, i), findings);
    }
    for (const auto& child : node.children) look_below(child, value, findings);
}

/// "<bogus", "colour": what an item is called, without what is in it.
std::string name_of(const Rest::Item& item) {
    if (!item.attribute.empty()) return fmt::format("attribute '{}'", item.attribute);
    return fmt::format("element {}>", item.text.substr(0, item.text.find_first_of(" />\n")));
}

} // namespace

void find_unknown(const Schema& schema, const void* value, Findings& findings) {
    if (const auto* rest = schema.rest(value))
        for (const auto& item : rest->items) {
            const auto inside = item.parent.empty() ? schema.name() : item.parent;
            findings.push_back({rest->line, fmt::format("<{}> has the {}, which is not known", inside, name_of(item))});
        }
    look_below(schema.root(), value, findings);
}

} // namespace domus::format
