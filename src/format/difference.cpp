#include "format/difference.hpp"

#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::format {

namespace {

std::string join(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}/{}", path, name);
}

class Finder {
public:
    explicit Finder(std::vector<Change>& changes) : changes_(changes) {}

    void record(const Schema& schema, const void* before, const void* after, const std::string& path) {
        node(schema.root(), before, after, path);
        const Rest *old_rest = schema.rest(before), *new_rest = schema.rest(after);
        if (old_rest && !(*old_rest == *new_rest))
            changes_.push_back({join(path, "*"), text(*old_rest), text(*new_rest)});
    }

private:
    void node(const Node& node_, const void* before, const void* after, const std::string& path) {
        for (const auto& field : node_.attributes) scalar(field, before, after, fmt::format("{}@{}", path, field.name));
        if (node_.content) {
            const auto& field = *node_.content;
            if (field.place == Place::element) return elements(field, before, after, path);
            scalar(field, before, after, path.empty() ? "." : path);
        }
        for (const auto& child : node_.children) node(child, before, after, join(path, child.name));
    }

    void scalar(const Field& field, const void* before, const void* after, const std::string& path) {
        auto old_text = text(field, before), new_text = text(field, after);
        if (old_text == new_text) return;
        if (field.options & secret) {
            if (old_text) old_text = "(secret)";
            if (new_text) new_text = "(secret)";
        }
        changes_.push_back({path, std::move(old_text), std::move(new_text)});
    }

    static std::optional<std::string> text(const Field& field, const void* value) {
        const void* member = field.member(value);
        if (!field.applies(value) || field.holder->count(member) == 0) return std::nullopt;
        std::string out;
        field.type->print(field.holder->at(member, 0), out);
        return out;
    }

    void elements(const Field& field, const void* before, const void* after, const std::string& path) {
        const void *old_member = field.member(before), *new_member = field.member(after);
        const auto old_at = [&](std::size_t i) { return field.holder->at(old_member, i); };
        const auto new_at = [&](std::size_t i) { return field.holder->at(new_member, i); };
        std::size_t begin = 0, old_end = field.holder->count(old_member), new_end = field.holder->count(new_member);
        while (begin < old_end && begin < new_end && field.type->equal(old_at(begin), new_at(begin))) ++begin;
        while (old_end > begin && new_end > begin && field.type->equal(old_at(old_end - 1), new_at(new_end - 1))) {
            --old_end;
            --new_end;
        }
        for (std::size_t i = begin; i < old_end || i < new_end; ++i) {
            const auto place = field.holder->many ? fmt::format("{}[{}]", path, i) : path;
            if (i < old_end && i < new_end)
                pair(field, old_at(i), new_at(i), place);
            else if (i < old_end)
                changes_.push_back({place, whole(field, old_at(i)), std::nullopt});
            else
                changes_.push_back({place, std::nullopt, whole(field, new_at(i))});
        }
    }

    void pair(const Field& field, const void* before, const void* after, const std::string& path) {
        if (field.type->schema)
            record(field.type->schema(), before, after, path);
        else
            changes_.push_back({path, whole(field, before), whole(field, after)});
    }

    static std::string whole(const Field& field, const void* slot) {
        std::string out;
        if (field.type->schema)
            write_xml(field.type->schema(), slot, {}, out);
        else
            field.type->print(slot, out);
        return out;
    }

    static std::string text(const Rest& rest) {
        std::string out;
        for (const auto& item : rest.items) {
            if (!out.empty()) out += ' ';
            out += item.attribute.empty() ? item.text : fmt::format("{}='{}'", item.attribute, item.text);
        }
        return out;
    }

    std::vector<Change>& changes_;
};

} // namespace

std::vector<Change> find_differences(const Schema& schema, const void* before, const void* after) {
    std::vector<Change> changes;
    Finder(changes).record(schema, before, after, "");
    return changes;
}

} // namespace domus::format
