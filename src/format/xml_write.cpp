#include "format/xml.hpp"
#include "format/xml_document.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::format {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

class Writer {
public:
    Writer(const WriteOptions& options, std::string& out) : options_(options), out_(out) {}

    /// Writes the element of a value; says whether it had anything in it.
    bool record(const Schema& schema, const void* value, std::string_view name, int indent) {
        const auto& foreign = schema.foreign_namespace();
        if (!foreign) return element(schema.root(), value, schema.rest(value), "", name, indent);
        prefix_ = fmt::format("{}:", foreign->prefix);
        prefix_used_ = false;
        std::size_t end = 0;
        const bool filled = element(schema.root(), value, schema.rest(value), "", name, indent, &end);
        if (prefix_used_) out_.insert(end, fmt::format(" xmlns:{}='{}'", foreign->prefix, foreign->uri));
        return filled;
    }

private:
    bool shown(const Field& field, const void* value) const {
        return field.applies(value) && (options_.live || !(field.options & live_only))
               && (options_.secrets || !(field.options & secret));
    }

    void pad(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

    void attribute(std::string_view name, std::string_view text) {
        out_ += ' ';
        out_ += name;
        out_ += "='";
        // A reader would take line breaks and tabs in an attribute for blanks.
        for (std::size_t at = 0; at <= text.size();) {
            const auto end = std::min(text.find_first_of("\n\t", at), text.size());
            escape(text.substr(at, end - at), out_);
            if (end < text.size()) out_ += text[end] == '\n' ? "&#10;" : "&#9;";
            at = end + 1;
        }
        out_ += '\'';
    }

    /// Writes the element of a node; says whether it had anything in it.
    bool element(const Node& node, const void* value, const Rest* rest, const std::string& path, std::string_view name,
                 int indent, std::size_t* attributes_end = nullptr) {
        pad(indent);
        out_ += '<';
        out_ += name;
        bool filled = attributes(node, value, rest, path);
        const std::size_t open = out_.size();
        if (attributes_end) *attributes_end = open;
        out_ += '>';
        const std::size_t before = out_.size();
        const bool text = content(node, value);
        if (text) filled = true;
        if (node.content && node.content->place == Place::raw) {
            out_ += "</";
            out_ += name;
            out_ += ">\n";
            return filled;
        }
        const std::size_t end_of_text = out_.size();
        out_ += '\n';
        const std::size_t body = out_.size();
        filled |= children(node, value, rest, path, indent + 2);
        if (out_.size() > body || (end_of_text == before && node.keep)) {
            pad(indent);
        } else if (end_of_text == before) {
            out_.resize(open);
            out_ += "/>\n";
            return filled;
        } else {
            out_.resize(end_of_text);
        }
        out_ += "</";
        out_ += name;
        out_ += ">\n";
        return filled;
    }

    bool attributes(const Node& node, const void* value, const Rest* rest, const std::string& path) {
        bool any = false;
        for (const auto& field : node.attributes) {
            if (!count(field, value)) continue;
            scratch_.clear();
            print(field, field.holder->at(field.member(value), 0), scratch_);
            attribute(field.name, scratch_);
            if (field.scaled) attribute("unit", field.write_unit);
            any = true;
        }
        if (node.content && node.content->place == Place::scaled && count(*node.content, value))
            attribute("unit", node.content->write_unit);
        if (!rest) return any;
        for (const auto& item : rest->items) {
            if (item.attribute.empty() || item.parent != path) continue;
            attribute(item.attribute, item.text);
            note_prefix(item.attribute);
            any = true;
        }
        return any;
    }

    std::size_t count(const Field& field, const void* value) const {
        return shown(field, value) ? field.holder->count(field.member(value)) : 0;
    }

    bool content(const Node& node, const void* value) {
        if (!node.content || node.content->place == Place::element) return false;
        const Field& field = *node.content;
        if (!count(field, value)) return false;
        const void* slot = field.holder->at(field.member(value), 0);
        switch (field.place) {
        case Place::flag:
            return *static_cast<const bool*>(slot);
        case Place::raw:
            out_ += *static_cast<const std::string*>(slot);
            note_prefix(*static_cast<const std::string*>(slot));
            return true;
        default:
            break;
        }
        text(field, slot);
        return true;
    }

    void text(const Field& field, const void* slot) {
        scratch_.clear();
        print(field, slot, scratch_);
        escape(scratch_, out_);
    }

    static void print(const Field& field, const void* slot, std::string& out) {
        if (!field.amount()) return field.type->print(slot, out);
        const auto factor = unit_factor(field.write_unit).value_or(1);
        const auto bytes = static_cast<const ByteCount*>(slot)->bytes;
        out += std::to_string(bytes / factor + (bytes % factor != 0));
    }

    bool children(const Node& node, const void* value, const Rest* rest, const std::string& path, int indent) {
        bool any = kept(rest, path, "", indent);
        std::vector<Ordered> later;
        for (const auto& child : node.children) {
            if (child.content && child.content->place == Place::element) {
                if (node.as_read && collect(child, value, later)) continue;
                any |= values(child, value, indent);
            } else {
                any |= wrapper(child, value, rest, path, indent);
            }
            any |= kept(rest, path, child.name, indent);
        }
        return in_order(std::move(later), rest, path, indent) || any;
    }

    struct Ordered {
        const Node* node;
        const void* slot;
        int order;
    };

    /// Says whether there are any.
    bool collect(const Node& node, const void* value, std::vector<Ordered>& all) const {
        const Field& field = *node.content;
        const auto n = field.type->schema ? count(field, value) : 0;
        for (std::size_t i = 0; i < n; ++i) {
            const void* slot = field.holder->at(field.member(value), i);
            const Rest* own = field.type->schema().rest(slot);
            all.push_back({&node, slot, own ? own->order : 0});
        }
        return n > 0;
    }

    bool in_order(std::vector<Ordered> all, const Rest* rest, const std::string& path, int indent) {
        bool any = false;
        std::ranges::stable_sort(all, {}, &Ordered::order);
        for (auto it = all.begin(); it != all.end(); ++it) {
            any |= one(*it->node, *it->node->content, it->slot, indent);
            if (std::find_if(it + 1, all.end(), [&](const auto& next) { return next.node == it->node; }) == all.end())
                any |= kept(rest, path, it->node->name, indent);
        }
        return any;
    }

    /// An element that stands only on the way to fields vanishes when none of them has a value.
    bool wrapper(const Node& node, const void* value, const Rest* rest, const std::string& path, int indent) {
        const std::size_t before = out_.size();
        const bool filled =
            element(node, value, rest, path.empty() ? node.name : path + "/" + node.name, node.name, indent);
        if (!filled && !node.keep) out_.resize(before);
        return filled || node.keep;
    }

    bool values(const Node& node, const void* value, int indent) {
        const Field& field = *node.content;
        const auto n = count(field, value);
        bool any = false;
        for (std::size_t i = 0; i < n; ++i) any |= one(node, field, field.holder->at(field.member(value), i), indent);
        return any;
    }

    bool one(const Node& node, const Field& field, const void* slot, int indent) {
        const std::size_t before = out_.size();
        if (field.type->schema) {
            const auto& schema = field.type->schema();
            const bool filled = record(schema, slot, node.name, indent) || !field.holder->bare || schema.root().keep;
            if (!filled)
                out_.resize(before);
            else
                note_prefix(node.name);
            return filled;
        }
        pad(indent);
        out_ += '<' + node.name + '>';
        text(field, slot);
        out_ += "</" + node.name + ">\n";
        return true;
    }

    /// A name or a piece of XML may use the table's prefix; declaring it in vain does no harm.
    void note_prefix(std::string_view text) {
        if (!prefix_.empty() && text.find(prefix_) != text.npos) prefix_used_ = true;
    }

    bool kept(const Rest* rest, const std::string& path, std::string_view after, int indent) {
        if (!rest) return false;
        bool any = false;
        for (const auto& item : rest->items) {
            if (!item.attribute.empty() || item.parent != path || item.after != after) continue;
            pad(indent);
            out_ += item.text;
            out_ += '\n';
            note_prefix(item.text);
            any = true;
        }
        return any;
    }

    const WriteOptions& options_;
    std::string& out_;
    std::string scratch_;
    std::string prefix_; ///< of the namespace that the table names, with the colon
    bool prefix_used_ = false;
};

} // namespace

void escape(std::string_view text, std::string& out) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        switch (c) {
        case '&':
            out += "&amp;";
            continue;
        case '<':
            out += "&lt;";
            continue;
        case '>':
            out += "&gt;";
            continue;
        case '\'':
            out += "&apos;";
            continue;
        case '"':
            out += "&quot;";
            continue;
        case '\r':
            out += "&#13;";
            continue; // a reader would take it for a line break
        default:
            break;
        }
        const auto length = character_length(text, at);
        if (length == 0)
            out += replacement; // what we write can always be read again
        else
            out += text.substr(at, length);
        if (length > 1) at += length - 1;
    }
}

void write_xml(const Schema& schema, const void* value, const WriteOptions& options, std::string& out) {
    Writer(options, out).record(schema, value, schema.name(), options.indent);
}

} // namespace domus::format
