#include "format/xml.hpp"
#include "format/xml_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace domus::format {

namespace {

constexpr std::size_t most_findings_told = 20;
constexpr std::size_t longest_quotation = 100;

std::string print(const pugi::xml_node& node, unsigned how) {
    std::ostringstream text;
    node.print(text, "", pugi::format_raw | pugi::format_no_declaration | how);
    return std::move(text).str();
}

std::string word_for_word(const pugi::xml_node& node) {
    return print(node, pugi::format_attribute_single_quote);
}

/// In double quotes, as libxml2 writes and thus libvirt's clients know their metadata.
std::string contents_word_for_word(const pugi::xml_node& node) {
    std::string text;
    for (const auto& child : node.children()) text += print(child, 0);
    return text;
}

std::string text_of(const pugi::xml_node& node) {
    std::string text;
    for (const auto& child : node.children())
        if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) text += child.value();
    return text;
}

std::string_view quoted(std::string_view text) {
    return text.substr(0, longest_quotation);
}

std::string choices(const ValueType& type) {
    if (type.words.empty()) return fmt::format("a {}", type.name);
    return fmt::format("one of {}", fmt::join(type.words, ", "));
}

class Reader {
public:
    Reader(std::string_view text, Findings& findings) : findings_(findings) {
        for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; ++at)
            line_ends_.push_back(static_cast<std::ptrdiff_t>(at));
    }

    void record(const pugi::xml_node& element, const Schema& schema, void* value) {
        enter_namespace(element, schema);
        Rest* rest = schema.rest(value);
        if (rest) rest->line = line_of(element);
        if (!schema.selector().empty()) selector(element, schema, value);
        inside(element, schema.root(), value, rest, "");
        missing(element, schema.root(), value);
    }

private:
    int line_of(const pugi::xml_node& element) const {
        const auto end = std::lower_bound(line_ends_.begin(), line_ends_.end(), element.offset_debug());
        return 1 + static_cast<int>(end - line_ends_.begin());
    }

    void report(const pugi::xml_node& element, std::string text, bool unsupported = false) {
        findings_.push_back({line_of(element), std::move(text), unsupported});
    }

    /// What a prefix stands for at an element; empty if nothing says so.
    static std::string_view uri_of(const pugi::xml_node& element, std::string_view prefix) {
        const auto declaration = fmt::format("xmlns:{}", prefix);
        for (auto node = element; node; node = node.parent())
            if (const auto uri = node.attribute(declaration.c_str())) return uri.value();
        return {};
    }

    /// The name by which the table knows an element: with the table's prefix for its namespace. Empty for an element
    /// of another namespace that goes by that prefix.
    std::string name_of(const pugi::xml_node& element) const {
        const std::string_view name = element.name();
        const auto colon = name.find(':');
        if (!namespace_ || colon == name.npos) return std::string(name);
        const auto prefix = name.substr(0, colon);
        const auto uri = uri_of(element, prefix);
        if (uri == namespace_->uri) return fmt::format("{}{}", namespace_->prefix, name.substr(colon));
        return prefix == namespace_->prefix && !uri.empty() ? std::string{} : std::string(name);
    }

    /// The writer declares the table's namespace by itself.
    bool declares_namespace(const pugi::xml_attribute& attribute) const {
        return namespace_ && namespace_->uri == attribute.value()
               && fmt::format("xmlns:{}", namespace_->prefix) == attribute.name();
    }

    void enter_namespace(const pugi::xml_node& element, const Schema& schema) {
        if (!schema.foreign_namespace()) return;
        namespace_ = schema.foreign_namespace();
        const auto uri = uri_of(element, namespace_->prefix);
        if (!uri.empty() && uri != namespace_->uri)
            report(element, fmt::format("the prefix '{}' must stand for the namespace '{}'", namespace_->prefix,
                                        namespace_->uri));
    }

    /// The word that the meaning of other attributes depends on comes first, wherever it stands.
    void selector(const pugi::xml_node& element, const Schema& schema, void* value) {
        const Field* field = schema.root().attribute(schema.selector(), value);
        if (const auto attribute = element.attribute(field->name.c_str()))
            field->type->parse(attribute.value(), field->holder->add(field->member(value)));
    }

    /// Reads the attributes and children of an element that stands for `node` in the table of the value's type.
    void inside(const pugi::xml_node& element, const Node& node, void* value, Rest* rest, const std::string& path) {
        for (const auto& attribute : element.attributes()) {
            if (const Field* field = node.attribute(attribute.name(), value)) {
                scalar(element, *field, fmt::format("attribute '{}' of <{}>", attribute.name(), element.name()),
                       attribute.value(), value);
            } else if (!(std::string_view(attribute.name()) == "unit" && node.has_unit()) && rest
                       && !declares_namespace(attribute)) {
                rest->items.push_back({path, "", attribute.name(), attribute.value()});
            }
        }
        for (const auto& field : node.attributes)
            if ((field.options & implied) && !element.attribute(field.name.c_str()))
                field.holder->add(field.member(value));
        content(element, node, value);
        if (node.content && node.content->place == Place::raw) return;
        children(element, node, value, rest, path);
    }

    void content(const pugi::xml_node& element, const Node& node, void* value) {
        if (!node.content) return;
        const Field& field = *node.content;
        switch (field.place) {
        case Place::text:
        case Place::scaled:
            own_text(element, node, field, value);
            break;
        case Place::flag:
            *static_cast<bool*>(field.member(value)) = true;
            break;
        case Place::raw:
            *static_cast<std::string*>(field.holder->add(field.member(value))) = contents_word_for_word(element);
            break;
        case Place::attribute:
        case Place::element:
            break;
        }
    }

    /// Blanks around children, and nothing beside attributes, are no text.
    void own_text(const pugi::xml_node& element, const Node& node, const Field& field, void* value) {
        const auto whole = text_of(element);
        const auto trimmed = detail::trim(whole);
        const auto is_element = [](const pugi::xml_node& child) { return child.type() == pugi::node_element; };
        const bool mixed = !element.find_child(is_element).empty();
        if (trimmed.empty() && !field.holder->bare && (mixed || !node.attributes.empty() || !node.children.empty()))
            return;
        scalar(element, field, fmt::format("<{}>", element.name()), mixed ? trimmed : whole, value);
    }

    void children(const pugi::xml_node& element, const Node& node, void* value, Rest* rest, const std::string& path) {
        std::vector<std::string_view> seen;
        std::string previous;
        for (const auto& child : element.children()) {
            if (child.type() != pugi::node_element) continue;
            const std::string name = name_of(child);
            const Node* known = node.child(name);
            const bool many = known && known->content && known->content->holder->many;
            if (!known) {
                if (rest) rest->items.push_back({path, previous, "", word_for_word(child)});
                continue;
            }
            if (!many && std::find(seen.begin(), seen.end(), known->name) != seen.end()) {
                report(child, fmt::format("<{}> stands twice in <{}>; keep one", child.name(), element.name()));
                continue;
            }
            seen.push_back(known->name);
            previous = name;
            if (!known->refusal.empty())
                report(child, fmt::format("<{}> is not supported by this version: {}", name, known->refusal), true);
            else if (known->content && known->content->place == Place::element)
                values(child, *known, value);
            else
                inside(child, *known, value, rest, path.empty() ? name : path + "/" + name);
        }
    }

    void values(const pugi::xml_node& element, const Node& node, void* value) {
        const Field& field = *node.content;
        void* slot = field.holder->add(field.member(value));
        if (field.type->schema)
            record(element, field.type->schema(), slot);
        else
            parse(element, field, fmt::format("<{}>", element.name()), text_of(element), slot);
    }

    void scalar(const pugi::xml_node& element, const Field& field, const std::string& what, std::string_view text,
                void* value) {
        if (field.amount())
            amount(element, field, what, text, value);
        else
            parse(element, field, what, text, field.holder->add(field.member(value)));
    }

    void parse(const pugi::xml_node& element, const Field& field, const std::string& what, std::string_view text,
               void* slot) {
        if (!field.type->parse(text, slot))
            report(element, fmt::format("{} is '{}', it must be {}", what, quoted(text), choices(*field.type)));
    }

    void amount(const pugi::xml_node& element, const Field& field, const std::string& what, std::string_view text,
                void* value) {
        std::string_view unit = field.read_unit;
        if (field.scaled || field.place == Place::scaled)
            if (const auto stated = element.attribute("unit")) unit = stated.value();
        const auto factor = unit_factor(unit);
        if (!factor) return report(element, fmt::format("{} has the unknown unit '{}'", what, quoted(unit)));
        std::uint64_t number = 0;
        if (!detail::parse_unsigned(text, number))
            return report(element, fmt::format("{} is '{}', it must be a number", what, quoted(text)));
        if (number > UINT64_MAX / *factor)
            return report(element, fmt::format("{} is {} {}, which is too large", what, number, unit));
        static_cast<ByteCount*>(field.holder->add(field.member(value)))->bytes = number * *factor;
    }

    pugi::xml_node child_named(const pugi::xml_node& element, const std::string& name) const {
        if (name.find(':') == name.npos) return element.child(name.c_str());
        return element.find_child([&](const pugi::xml_node& child) { return name_of(child) == name; });
    }

    /// Reports what the table requires and the document does not have.
    void missing(const pugi::xml_node& element, const Node& node, void* value) {
        for (const auto& field : node.attributes)
            if ((field.options & required) && field.applies(value) && !element.attribute(field.name.c_str()))
                report(element, fmt::format("<{}> lacks the attribute '{}'", element.name(), field.name));
        for (const auto& child : node.children) {
            const auto found = child_named(element, child.name);
            const bool wanted = child.content && (child.content->options & required);
            if (wanted && !found) report(element, fmt::format("<{}> lacks <{}>", element.name(), child.name));
            const bool own_table = child.content && child.content->place == Place::element;
            if (!own_table && found) missing(found, child, value);
        }
    }

    std::vector<std::ptrdiff_t> line_ends_;
    std::optional<Schema::Namespace> namespace_;
    Findings& findings_;
};

} // namespace

namespace {

std::string list_of(const Findings& findings) {
    std::string text;
    for (const auto& finding : findings) {
        if (static_cast<std::size_t>(&finding - findings.data()) == most_findings_told) {
            text += fmt::format("; and {} more", findings.size() - most_findings_told);
            break;
        }
        if (!text.empty()) text += "; ";
        if (finding.line > 0) text += fmt::format("line {}: ", finding.line);
        text += finding.text;
    }
    return text;
}

} // namespace

void throw_findings(const Findings& findings, ErrorDomain domain, std::string_view what) {
    if (findings.empty()) return;
    const auto text = list_of(findings);
    if (std::ranges::all_of(findings, &Finding::unsupported))
        throw Error(ErrorCode::config_unsupported, domain, fmt::format("unsupported configuration: {}", text));
    throw Error(ErrorCode::xml_error, domain, fmt::format("XML error in {}: {}", what, text));
}

void throw_invalid(const Findings& findings) {
    if (findings.empty()) return;
    throw Error(ErrorCode::xml_invalid_schema, ErrorDomain::xml, fmt::format("XML document failed to validate against schema: {}", list_of(findings)))
        .hint("what is not known is kept and has no effect where no validation is asked for");
}

void read_xml(std::string_view text, const Schema& schema, void* value, ErrorDomain domain) {
    pugi::xml_document document;
    const auto root = load_document(text, document, domain);
    if (root.name() != schema.name())
        throw Error(ErrorCode::xml_error, domain,
                    fmt::format("XML error: unexpected root element <{}>, expecting <{}>", root.name(), schema.name()));
    Findings findings;
    Reader(text, findings).record(root, schema, value);
    throw_findings(findings, domain, fmt::format("<{}>", schema.name()));
}

std::string root_element(std::string_view text) {
    pugi::xml_document document;
    try {
        return load_document(text, document, ErrorDomain::xml).name();
    } catch (const Error&) {
        return {};
    }
}

} // namespace domus::format
