#include "format/xml.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "format/bounds.hpp"
#include "format/xml_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

namespace domus::format {

namespace {

constexpr std::size_t most_findings_quoted = 20;
constexpr std::size_t longest_quotation = 100;

std::string print(const pugi::xml_node& node, unsigned how) {
    std::ostringstream text;
    node.print(text, "", pugi::format_raw | pugi::format_no_declaration | how);
    return std::move(text).str();
}

std::string word_for_word(const pugi::xml_node& node) { return print(node, pugi::format_attribute_single_quote); }

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

std::string_view quoted(std::string_view text) { return cut_text(text, longest_quotation); }

std::string choices(const ValueType& type) {
    if (type.words.empty()) return fmt::format("a {}", type.name);
    return fmt::format("one of {}", fmt::join(type.words, ", "));
}

/// What has no effect: an error only for those who ask for validation.
struct Strange {
    Findings unknown, duplicates;
};

/// The prefixes that the elements around the current one declare, the innermost last. Looking one up costs the same
/// however deep the element lies and however many there are.
class Namespaces {
public:
    /// The declarations of one element, for as long as its children are read.
    class Scope {
    public:
        Scope(Namespaces& all, const pugi::xml_node& element) : all_(all) {
            for (const auto& attribute : element.attributes())
                if (const auto prefix = declared_prefix(attribute)) {
                    all_.uris_[*prefix].push_back(attribute.value());
                    prefixes_.push_back(*prefix);
                }
        }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope() {
            for (const auto prefix : prefixes_) all_.uris_[prefix].pop_back();
        }

    private:
        Namespaces& all_;
        std::vector<std::string_view> prefixes_;
    };

    /// What a prefix, or "" for none, stands for at an element below the open scopes; empty if nothing says so.
    std::string_view uri(const pugi::xml_node& element, std::string_view prefix) const {
        for (const auto& attribute : element.attributes())
            if (declared_prefix(attribute) == prefix) return attribute.value();
        const auto found = uris_.find(prefix);
        return found == uris_.end() || found->second.empty() ? std::string_view{} : found->second.back();
    }

private:
    /// "x" for the attribute xmlns:x, "" for xmlns, none for others.
    static std::optional<std::string_view> declared_prefix(const pugi::xml_attribute& attribute) {
        constexpr std::string_view declaration = "xmlns:";
        const std::string_view name = attribute.name();
        if (name == "xmlns") return std::string_view{};
        if (!name.starts_with(declaration)) return std::nullopt;
        return name.substr(declaration.size());
    }

    std::map<std::string_view, std::vector<std::string_view>> uris_;
};

/// What a finding is about, put into words only where there is one.
struct Subject {
    std::string_view element, attribute;
    std::string text() const {
        return attribute.empty() ? fmt::format("<{}>", element)
                                 : fmt::format("attribute '{}' of <{}>", attribute, element);
    }
};

class Reader {
public:
    Reader(std::string_view text, Findings& findings, Strange& strange) : findings_(findings), strange_(strange) {
        for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos; ++at)
            line_ends_.push_back(static_cast<std::ptrdiff_t>(at));
    }

    void record(const pugi::xml_node& element, const Schema& schema, void* value) {
        enter_namespace(element, schema);
        Rest* rest = schema.rest(value);
        if (rest) {
            rest->line = line_of(element);
            rest->order = ++records_;
        }
        if (!schema.selector().empty()) selector(element, schema, value);
        inside(element, schema.root(), value, rest, "");
    }

private:
    int line_of(const pugi::xml_node& element) const {
        const auto end = std::lower_bound(line_ends_.begin(), line_ends_.end(), element.offset_debug());
        return 1 + static_cast<int>(end - line_ends_.begin());
    }

    template <class... Part>
    void report(const pugi::xml_node& element, fmt::format_string<Part...> text, Part&&... parts) {
        add_finding(findings_, element, false, text, std::forward<Part>(parts)...);
    }

    /// Only as many are put into words as may be quoted: a document of nothing but errors costs no more than another.
    template <class... Part>
    void add_finding(Findings& list, const pugi::xml_node& element, bool unsupported, fmt::format_string<Part...> text,
                     Part&&... parts) {
        const bool worded = list.size() < most_findings_worded;
        list.push_back(
            {line_of(element), worded ? fmt::format(text, std::forward<Part>(parts)...) : std::string(), unsupported});
    }

    void report_unknown(const pugi::xml_node& element, const pugi::xml_node& inside) {
        add_finding(strange_.unknown, element, false, "<{}> has the element <{}>, which is not known", inside.name(),
                    element.name());
    }

    /// The name by which the table knows an element: with the table's prefix for its namespace. Empty for an element
    /// of another namespace that goes by that prefix.
    std::string name_of(const pugi::xml_node& element) const {
        const std::string_view name = element.name();
        const auto colon = name.find(':');
        if (!namespace_) return std::string(name);
        if (colon == name.npos)
            return namespaces_.uri(element, "") == namespace_->uri ? fmt::format("{}:{}", namespace_->prefix, name)
                                                                   : std::string(name);
        const auto prefix = name.substr(0, colon);
        const auto uri = namespaces_.uri(element, prefix);
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
        const auto uri = namespaces_.uri(element, namespace_->prefix);
        if (!uri.empty() && uri != namespace_->uri)
            report(element, "the prefix '{}' must stand for the namespace '{}'", namespace_->prefix, namespace_->uri);
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
                scalar(element, *field, {element.name(), attribute.name()}, attribute.value(), value);
            } else if (!(std::string_view(attribute.name()) == "unit" && node.has_unit())) {
                unknown_attribute(element, attribute, rest, path);
            }
        }
        for (const auto& field : node.attributes) {
            const auto found = element.attribute(field.name.c_str());
            if ((field.options & implied) && !found) field.holder->add(field.member(value));
            if (field.applies(value) && lacks(field, found.value(), !found.empty()))
                report(element, "<{}> lacks the attribute '{}'", element.name(), field.name);
        }
        content(element, node, value);
        if (node.content && node.content->place == Place::raw) return;
        children(element, node, value, rest, path);
    }

    void unknown_attribute(const pugi::xml_node& element, const pugi::xml_attribute& attribute, Rest* rest,
                           const std::string& path) {
        if (!std::string_view(attribute.name()).starts_with("xmlns"))
            add_finding(strange_.unknown, element, false, "<{}> has the attribute '{}', which is not known",
                        element.name(), attribute.name());
        if (rest && !declares_namespace(attribute))
            rest->items.push_back({path, "", attribute.name(), attribute.value()});
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
        scalar(element, field, {element.name(), {}}, mixed ? trimmed : whole, value);
    }

    void children(pugi::xml_node element, const Node& node, void* value, Rest* rest, const std::string& path) {
        const Namespaces::Scope scope(namespaces_, element);
        keep_first(element, node);
        std::vector<pugi::xml_node> there(node.children.size()); ///< one of each
        std::string previous;
        for (const auto& child : element.children()) {
            if (child.type() != pugi::node_element) continue;
            std::string name = name_of(child);
            const Node* known = node.child(name);
            if (!known) {
                report_unknown(child, element);
                if (rest) rest->items.push_back({path, previous, "", word_for_word(child)});
                continue;
            }
            there[static_cast<std::size_t>(known - node.children.data())] = child;
            known_child(child, *known, value, rest, path);
            previous = std::move(name);
        }
        for (std::size_t i = 0; i < there.size(); ++i) require(element, node.children[i], there[i]);
    }

    void known_child(const pugi::xml_node& child, const Node& known, void* value, Rest* rest, const std::string& path) {
        if (!known.refusal.empty())
            add_finding(findings_, child, true, "<{}> is not supported by this version: {}", known.name, known.refusal);
        else if (known.content && known.content->place == Place::element)
            values(child, known, value);
        else
            inside(child, known, value, rest, path.empty() ? known.name : path + "/" + known.name);
    }

    /// Whether a required attribute or text is not there, or is empty and that means the same.
    static bool lacks(const Field& field, std::string_view text, bool found) {
        return (field.options & required) && (!found || (text.empty() && field.skips_empty()));
    }

    /// Reports a child that the table requires and the document does not have.
    void require(const pugi::xml_node& element, const Node& child, const pugi::xml_node& found) {
        const auto is_required = [](const Field& attribute) { return (attribute.options & required) != 0; };
        if (!child.content && !found && std::ranges::any_of(child.attributes, is_required))
            return report(element, "<{}> lacks <{}>", element.name(), child.name);
        if (!child.content || !(child.content->options & required)) return;
        const bool own_table = child.content->place == Place::element;
        if (lacks(*child.content, own_table ? "-" : text_of(found), !found.empty()))
            report(element, "<{}> lacks <{}>", element.name(), child.name);
    }

    /// Of an element that may stand once, the first counts. One that only holds others gets what the next ones hold, as
    /// libvirt looks for devices in every <devices>.
    void keep_first(pugi::xml_node element, const Node& node) {
        std::vector<pugi::xml_node> first(node.children.size());
        for (auto child = element.first_child(); child;) {
            const auto repeated = std::exchange(child, child.next_sibling());
            const Node* known = repeated.type() == pugi::node_element ? node.child(name_of(repeated)) : nullptr;
            if (!known || (known->content && known->content->holder->many)) continue;
            auto& kept = first[static_cast<std::size_t>(known - node.children.data())];
            if (!kept) {
                kept = repeated;
                continue;
            }
            add_finding(strange_.duplicates, repeated, false, "duplicate element <{}> in <{}>", repeated.name(),
                        element.name());
            while (only_holds(*known) && repeated.first_child()) kept.append_move(repeated.first_child());
            element.remove_child(repeated);
        }
    }

    static bool only_holds(const Node& node) {
        if (!node.attributes.empty() || !node.refusal.empty()) return false;
        if (!node.content) return true;
        return node.content->type->schema && only_holds(node.content->type->schema().root());
    }

    void values(const pugi::xml_node& element, const Node& node, void* value) {
        const Field& field = *node.content;
        if (field.type->schema)
            record(element, field.type->schema(), field.holder->add(field.member(value)));
        else
            scalar(element, field, {element.name(), {}}, text_of(element), value);
    }

    void scalar(const pugi::xml_node& element, const Field& field, const Subject& what, std::string_view text,
                void* value) {
        if (text.empty() && field.skips_empty()) return;
        if (text.empty() && (field.options & never_empty))
            return report(element, "{} is empty; give it a value, or leave it out", what.text());
        if (field.amount())
            amount(element, field, what, text, value);
        else if (text.empty() && (field.options & fresh_if_empty))
            *static_cast<Uuid*>(field.holder->add(field.member(value))) = Uuid::random();
        else
            parse(element, field, what, text, field.holder->add(field.member(value)));
    }

    void parse(const pugi::xml_node& element, const Field& field, const Subject& what, std::string_view text,
               void* slot) {
        if (!field.type->parse(text, slot))
            report(element, "{} is '{}', it must be {}", what.text(), quoted(text), choices(*field.type));
    }

    void amount(const pugi::xml_node& element, const Field& field, const Subject& what, std::string_view text,
                void* value) {
        std::string_view unit = field.read_unit;
        if (field.scaled || field.place == Place::scaled)
            if (const std::string_view stated = element.attribute("unit").value(); !stated.empty()) unit = stated;
        const auto factor = unit_factor(unit);
        if (!factor) return report(element, "{} has the unknown unit '{}'", what.text(), quoted(unit));
        std::uint64_t number = 0;
        if (!detail::parse_unsigned(text, number))
            return report(element, "{} is '{}', it must be a number", what.text(), quoted(text));
        if (number > UINT64_MAX / *factor)
            return report(element, "{} is {} {}, which is too large", what.text(), number, unit);
        static_cast<ByteCount*>(field.holder->add(field.member(value)))->bytes = number * *factor;
    }

    std::vector<std::ptrdiff_t> line_ends_;
    int records_ = 0;
    std::optional<Schema::Namespace> namespace_;
    Namespaces namespaces_;
    Findings& findings_;
    Strange& strange_;
};

} // namespace

namespace {

std::string list_of(const Findings& findings) {
    std::string text;
    std::size_t told = 0;
    for (const auto& finding : findings) {
        if (told == most_findings_quoted) break;
        if (finding.text.empty()) continue;
        if (!text.empty()) text += "; ";
        if (finding.line > 0) text += fmt::format("line {}: ", finding.line);
        text += finding.text;
        ++told;
    }
    if (told < findings.size()) text += fmt::format("; and {} more", findings.size() - told);
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
    throw Error(ErrorCode::xml_invalid_schema, ErrorDomain::xml,
                fmt::format("XML document failed to validate against schema: {}", list_of(findings)))
        .hint("what is not known is kept and has no effect where no validation is asked for");
}

namespace {

/// Names all that is wrong at once, in the order of the document.
void judge_strictly(Findings findings, const Strange& strange, ErrorDomain domain, std::string_view what) {
    const bool invalid = !strange.unknown.empty() || !strange.duplicates.empty();
    if (!invalid && std::ranges::all_of(findings, &Finding::unsupported)) return throw_findings(findings, domain, what);
    for (const auto* list : {&strange.unknown, &strange.duplicates})
        findings.insert(findings.end(), list->begin(), list->end());
    std::ranges::stable_sort(findings, {}, &Finding::line);
    throw_invalid(findings);
}

} // namespace

void read_xml(std::string_view text, const Schema& schema, void* value, ErrorDomain domain, Reading how) {
    pugi::xml_document document;
    const auto root = load_document(text, document, domain);
    if (root.name() != schema.name())
        throw Error(ErrorCode::xml_error, domain,
                    fmt::format("XML error: unexpected root element <{}>, expecting <{}>", root.name(), schema.name()));
    Findings findings;
    Strange strange;
    Reader(text, findings, strange).record(root, schema, value);
    const auto what = fmt::format("<{}>", schema.name());
    if (how == Reading::strict) return judge_strictly(std::move(findings), strange, domain, what);
    throw_findings(findings, domain, what);
    if (!strange.duplicates.empty()) log::warning("{}: {}; the first counts", what, list_of(strange.duplicates));
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
