#include "format/reference.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::format {

namespace {

class Page {
public:
    explicit Page(std::string& out) : out_(out) {}

    void document(const Schema& schema) {
        out_ += fmt::format("# `<{}>`\n\n", schema.name());
        sections_.push_back({&schema, schema.name()});
        for (std::size_t i = 0; i < sections_.size(); ++i) section(i);
    }

private:
    /// A type under the name of the element in which it was first met.
    struct Section {
        const Schema* schema;
        std::string name;
    };

    void section(std::size_t index) {
        const auto current = sections_[index]; // a copy: more are added below
        if (index > 0) out_ += fmt::format("## {}\n\n", heading(index));
        out_ += fmt::format("{}\n\n", current.schema->doc());
        out_ += "| path | value | meaning |\n| --- | --- | --- |\n";
        rows(current.schema->root(), "");
        out_ += '\n';
    }

    /// `<source>`; where several types go by that name, the later ones are numbered.
    std::string heading(std::size_t index) const {
        const auto same = [&](const Section& other) { return other.name == sections_[index].name; };
        const auto before =
            std::count_if(sections_.begin(), sections_.begin() + static_cast<std::ptrdiff_t>(index), same);
        return before == 0 ? fmt::format("`<{}>`", sections_[index].name)
                           : fmt::format("`<{}>` ({})", sections_[index].name, before + 1);
    }

    void rows(const Node& node, const std::string& path) {
        if (!node.refusal.empty()) {
            out_ += fmt::format("| `{}` | refused | {} |\n", path, node.refusal);
            return;
        }
        for (const auto& field : node.attributes) row(fmt::format("{}@{}", path, field.name), field);
        if (node.content) row(path.empty() ? "." : path, *node.content);
        for (const auto& child : node.children)
            rows(child, path.empty() ? child.name : fmt::format("{}/{}", path, child.name));
    }

    void row(const std::string& path, const Field& field) {
        std::string doc(field.doc.empty() && field.type->schema ? field.type->schema().doc() : field.doc);
        if (field.options & required) doc += doc.empty() ? "required" : "; required";
        if (field.options & live_only) doc += "; only while it runs";
        if (field.options & secret) doc += "; secret";
        out_ += fmt::format("| `{}` | {} | {} |\n", path, value(field), doc);
    }

    std::string value(const Field& field) {
        std::string text;
        if (field.type->schema)
            text = link(field);
        else if (field.place == Place::flag)
            text = "present or not";
        else if (field.place == Place::raw)
            text = "any XML";
        else if (field.amount())
            text = field.scaled || field.place == Place::scaled
                       ? fmt::format("amount with `unit`, {} if missing", field.read_unit)
                       : fmt::format("number of {}", field.write_unit);
        else if (!field.type->words.empty())
            text = fmt::format("`{}`", fmt::join(field.type->words, "`, `"));
        else
            text = field.type->name;
        return field.holder->many ? text + ", any number of times" : text;
    }

    std::string link(const Field& field) {
        const auto* schema = &field.type->schema();
        auto place =
            std::find_if(sections_.begin(), sections_.end(), [&](const Section& s) { return s.schema == schema; });
        if (place == sections_.end()) place = sections_.insert(sections_.end(), {schema, field.name});
        return "see " + heading(static_cast<std::size_t>(place - sections_.begin()));
    }

    std::string& out_;
    std::vector<Section> sections_;
};

} // namespace

std::string reference(const Schema& schema) {
    std::string out;
    Page(out).document(schema);
    return out;
}

} // namespace domus::format
