#include "format/refusals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace domus::format {

namespace {

bool is_harmless(std::string_view value, std::string_view list) {
    while (!list.empty()) {
        const auto word = list.substr(0, list.find(' '));
        if (word == value) return true;
        list.remove_prefix(std::min(list.size(), word.size() + 1));
    }
    return false;
}

bool says_something(const Node& node, const void* value);

/// Whether a value that is always there has anything that a document said of it.
bool is_set(const Field& field, const void* value) {
    const void* member = field.member(value);
    if (!field.applies(value) || field.holder->count(member) == 0) return false;
    if (field.place == Place::flag) return *static_cast<const bool*>(field.holder->at(member, 0));
    if (!field.holder->bare) return true;
    return field.type->schema && says_something(field.type->schema().root(), field.holder->at(member, 0));
}

bool says_something(const Node& node, const void* value) {
    return std::ranges::any_of(node.attributes, [&](const Field& field) { return is_set(field, value); })
           || (node.content && is_set(*node.content, value))
           || std::ranges::any_of(node.children, [&](const Node& child) { return says_something(child, value); });
}

class Finder {
public:
    Finder(std::span<const Refusal> rows, Findings& findings) : rows_(rows), findings_(findings) {}

    void record(const Schema& schema, const void* value, int line) { record(schema, Record{{}, value, line}); }

private:
    struct Rule {
        const Refusal* row;
        std::string_view path; ///< what is left of it
        const void* owner;     ///< the record whose table has the row
    };
    struct Record {
        std::vector<Rule> rules; ///< of its table, and of those around it what leads here
        const void* value;
        int line;
    };

    void record(const Schema& schema, Record own) {
        if (const Rest* rest = schema.rest(own.value); rest && rest->line > 0) own.line = rest->line;
        for (const auto& row : rows_)
            if (&row.schema() == &schema) own.rules.push_back({&row, row.path, own.value});
        node(schema.root(), own, "");
    }

    void node(const Node& node_, const Record& record, const std::string& path) {
        for (const auto& field : node_.attributes) {
            const auto* row = row_of(record, fmt::format("{}@{}", path, field.name));
            if (row) judge(*row, field, fmt::format("attribute '{}' of <{}>", field.name, node_.name), record);
        }
        if (node_.content) content(node_, record, path);
        for (const auto& child : node_.children)
            node(child, record, path.empty() ? child.name : path + "/" + child.name);
    }

    void content(const Node& node_, const Record& record, const std::string& path) {
        const Field& field = *node_.content;
        if (const auto* row = row_of(record, path.empty() ? "." : path))
            return judge(*row, field, fmt::format("<{}>", node_.name), record);
        if (!field.type->schema) return;
        const auto inherited = rules_below(record, path);
        const void* member = field.member(record.value);
        for (std::size_t i = 0; i < field.holder->count(member); ++i)
            this->record(field.type->schema(), Record{inherited, field.holder->at(member, i), record.line});
    }

    static const Refusal* row_of(const Record& record, std::string_view path) {
        const auto found = std::ranges::find_if(record.rules, [&](const Rule& rule) {
            return rule.path == path && !(rule.row->counts && rule.row->counts(rule.owner));
        });
        return found == record.rules.end() ? nullptr : found->row;
    }

    /// Those whose path leads through the element at `path` into its table.
    static std::vector<Rule> rules_below(const Record& record, std::string_view path) {
        std::vector<Rule> below;
        for (const auto& [row, left, owner] : record.rules) {
            if (path.empty() || left.size() <= path.size() || !left.starts_with(path)) continue;
            if (left[path.size()] == '@') below.push_back({row, left.substr(path.size()), owner});
            if (left[path.size()] == '/') below.push_back({row, left.substr(path.size() + 1), owner});
        }
        return below;
    }

    void judge(const Refusal& row, const Field& field, const std::string& what, const Record& record) {
        const bool always_there = field.holder->bare && !field.type->schema && field.place != Place::flag;
        if (!field.applies(record.value) || !(always_there || is_set(field, record.value))) return;
        const void* slot = field.holder->at(field.member(record.value), 0);
        int line = record.line;
        std::string value;
        if (field.type->schema) {
            const Rest* rest = field.type->schema().rest(slot);
            if (rest && rest->line > 0) line = rest->line;
        } else if (field.place != Place::flag) {
            field.type->print(slot, value);
            if (is_harmless(value, row.harmless)) return;
            value = fmt::format(" ('{}')", value.substr(0, longest_value));
        }
        const std::string_view verdict = row.counts ? "is only valid" : "is not supported by this version:";
        findings_.push_back({line, fmt::format("{}{} {} {}", what, value, verdict, row.why), true});
    }

    static constexpr std::size_t longest_value = 60;

    std::span<const Refusal> rows_;
    Findings& findings_;
};

} // namespace

void find_refused(const Schema& schema, const void* value, std::span<const Refusal> rows, Findings& findings) {
    Finder(rows, findings).record(schema, value, 0);
}

} // namespace domus::format
