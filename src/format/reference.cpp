#include "format/reference.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::format {

namespace {

class Page {
public:
    Page(std::span<const Schema* const> elsewhere, std::string& out) : elsewhere_(elsewhere), out_(out) {}

    void document(const Schema& schema) {
        sections_.push_back({&schema, schema.name(), {}});
        for (std::size_t i = 0; i < sections_.size(); ++i) {
            const auto current = sections_[i]; // a copy: more are added
            collect(current.schema->root(), current.name);
        }
        for (const auto& section : sections_) write(section);
    }

private:
    /// A type under the name of the element in which it was first met, and the element around that.
    struct Section {
        const Schema* schema;
        std::string name, parent;
    };

    bool has_own_page(const Schema& schema) const {
        return std::find(elsewhere_.begin(), elsewhere_.end(), &schema) != elsewhere_.end();
    }

    const Section* find(const Schema& schema) const {
        const auto place =
            std::find_if(sections_.begin(), sections_.end(), [&](const Section& s) { return s.schema == &schema; });
        return place == sections_.end() ? nullptr : &*place;
    }

    void collect(const Node& node, const std::string& parent) {
        if (node.content && node.content->type->schema) {
            const auto& schema = node.content->type->schema();
            if (!has_own_page(schema) && !find(schema)) sections_.push_back({&schema, node.name, parent});
        }
        for (const auto& child : node.children) collect(child, parent);
    }

    void write(const Section& section) {
        out_ +=
            fmt::format("{} {}\n\n{}\n\n", section.parent.empty() ? "#" : "##", title(section), section.schema->doc());
        out_ += "| path | value | meaning |\n| --- | --- | --- |\n";
        rows(section.schema->root(), "");
        out_ += '\n';
    }

    /// `<source>`, or `<source>` of `<disk>` where several types go by that name.
    std::string title(const Section& section) const {
        const auto same = [&](const Section& other) { return other.name == section.name; };
        if (std::count_if(sections_.begin(), sections_.end(), same) == 1) return fmt::format("`<{}>`", section.name);
        return fmt::format("`<{}>` of `<{}>`", section.name, section.parent);
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
        std::vector<std::string_view> parts;
        if (!field.doc.empty()) parts.push_back(field.doc);
        if (field.options & required) parts.push_back("required");
        if (field.options & live_only) parts.push_back("only while it runs");
        if (field.options & secret) parts.push_back("secret");
        const auto doc = fmt::format("{}", fmt::join(parts, "; "));
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

    std::string link(const Field& field) const {
        const auto& schema = field.type->schema();
        if (has_own_page(schema)) return fmt::format("see [`<{0}>`]({0}.md)", schema.name());
        const auto* section = find(schema);
        return section ? "see " + title(*section) : std::string(schema.doc());
    }

    std::span<const Schema* const> elsewhere_;
    std::string& out_;
    std::vector<Section> sections_;
};

} // namespace

std::string reference(const Schema& schema, std::span<const Schema* const> elsewhere) {
    std::string out;
    Page(elsewhere, out).document(schema);
    return out;
}

} // namespace domus::format
