// For tests: fills a value of any described type at random, so that one property holds for all of them: what is
// written and read again is equal.
#pragma once

#include "format/schema.hpp"

#include <random>

namespace domus::format {

class RandomValue {
public:
    explicit RandomValue(unsigned seed) : generator_(seed) {}

    template <Described T> T make() {
        T value{};
        fill(T::schema(), &value, 0);
        return value;
    }

private:
    static constexpr int deepest = 6;

    unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(generator_); }
    bool chance(unsigned percent) { return below(100) < percent; }

    void fill(const Schema& schema, void* value, int depth) {
        if (!schema.selector().empty()) {
            const Field& selector = *schema.root().attribute(schema.selector(), value);
            scalar(selector, selector.member(value));
        }
        node(schema.root(), schema, value, depth);
        if (Rest* rest = schema.rest(value); rest && chance(20)) {
            rest->items.push_back({"", "", "x:unknown", text(true)});
            rest->items.push_back({"", "", "", "<x:extra a='1'><b> c </b></x:extra>"});
        }
    }

    /// Says whether anything stands in the node.
    bool node(const Node& node_, const Schema& schema, void* value, int depth) {
        bool any = false;
        for (const auto& field : node_.attributes)
            if (field.applies(value) && field.name != schema.selector()) any |= one(field, value, node_);
        if (node_.content) any |= content(node_, value, depth);
        for (const auto& child : node_.children)
            if (child.refusal.empty()) any |= node(child, schema, value, depth);
        if (!any) return false;
        for (const auto& field : node_.attributes)
            if ((field.options & implied) && field.holder->count(field.member(value)) == 0)
                field.holder->add(field.member(value));
        if (node_.content && node_.content->place == Place::flag)
            *static_cast<bool*>(node_.content->member(value)) = true;
        return true;
    }

    bool content(const Node& node_, void* value, int depth) {
        const Field& field = *node_.content;
        switch (field.place) {
        case Place::flag:
            return chance(30);
        case Place::raw:
            if (chance(50)) return false;
            *static_cast<std::string*>(field.holder->add(field.member(value))) =
                "\n    <m:k xmlns:m=\"u\"> a &amp; b </m:k>\n  ";
            return true;
        case Place::element:
            return elements(field, value, depth);
        default:
            return one(field, value, node_);
        }
    }

    bool elements(const Field& field, void* value, int depth) {
        unsigned n = field.holder->bare || (field.options & required) ? 1 : field.holder->many ? below(3) : below(2);
        if (depth >= deepest && !field.holder->bare) n = 0;
        for (unsigned i = 0; i < n; ++i) {
            void* slot = field.holder->add(field.member(value));
            if (field.type->schema)
                fill(field.type->schema(), slot, depth + 1);
            else
                scalar(field, slot);
        }
        return n > 0 && !field.holder->bare;
    }

    bool one(const Field& field, void* value, const Node& node_) {
        if (!field.holder->bare && !(field.options & required) && chance(50)) return false;
        void* slot = field.holder->add(field.member(value));
        if (field.place == Place::text && field.type->name == "text") {
            // Beside attributes and children, blank text is none; before children, blanks around it are not its own.
            *static_cast<std::string*>(slot) = "t" + text(node_.children.empty()) + "t";
            return true;
        }
        scalar(field, slot);
        return true;
    }

    void scalar(const Field& field, void* slot) {
        if (field.amount()) {
            static constexpr std::uint64_t units[] = {1u << 30, 1u << 20};
            static_cast<ByteCount*>(slot)->bytes = below(1000) * units[below(2)];
            return;
        }
        std::string written;
        const auto& type = *field.type;
        if (!type.words.empty())
            written = type.words[below(static_cast<unsigned>(type.words.size()))];
        else if (type.json == JsonKind::boolean)
            written = chance(50) ? "yes" : "no";
        else if (type.name == "UUID")
            written = Uuid::random().text();
        else if (type.name == "text")
            written = (field.skips_empty() || (field.options & never_empty) ? "t" : "") + text(true);
        else
            written = std::to_string(below(chance(50) ? 8 : 200));
        type.parse(written, slot);
    }

    std::string text(bool special) {
        static constexpr std::string_view pieces[] = {"a",  "/dev/x", "0", "ü",  "\xE2\x82\xAC", "&",   "<", ">",
                                                      "\"", "'",      " ", "\t", "\n",           "]]>", "\r"};
        std::string out;
        for (unsigned n = below(5); n > 0; --n) out += pieces[below(special ? unsigned{std::size(pieces)} : 5)];
        return out;
    }

    std::mt19937 generator_;
};

} // namespace domus::format
