#include "compute/domain/xml.hpp"

#include "compute/domain/errors.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>
#include <pugixml.hpp>

#include <sstream>

namespace domus::compute {

namespace {

constexpr int description = 0, title = 1, element = 2; // virDomainMetadataType

Error no_metadata(std::string_view what) {
    return Error(ErrorCode::no_domain_metadata, ErrorDomain::dom,
                 fmt::format("metadata not found: Requested {} is not present", what));
}

/// The element whose own namespace is `uri`: <prefix:name xmlns:prefix='uri'> or <name xmlns='uri'>.
pugi::xml_node find_element(const pugi::xml_node& metadata, const std::string& uri) {
    for (const auto& child : metadata.children()) {
        const std::string_view name = child.name();
        const auto colon = name.find(':');
        const auto declaration =
            colon == name.npos ? std::string("xmlns") : fmt::format("xmlns:{}", name.substr(0, colon));
        if (uri == child.attribute(declaration.c_str()).value()) return child;
    }
    return {};
}

std::string print(const pugi::xml_node& node) {
    std::ostringstream out;
    node.print(out, "", pugi::format_raw | pugi::format_no_declaration | pugi::format_attribute_single_quote);
    return std::move(out).str();
}

pugi::xml_document parse_metadata(const std::optional<std::string>& inside) {
    pugi::xml_document document;
    document.load_string(("<metadata>" + inside.value_or("") + "</metadata>").c_str(),
                         pugi::parse_full | pugi::parse_ws_pcdata);
    return document;
}

/// Elements without a namespace of their own get that prefix, whose namespace they are put into.
void qualify(pugi::xml_node node, const std::string& prefix) {
    if (node.type() != pugi::node_element || node.attribute("xmlns")) return;
    if (std::string_view(node.name()).find(':') == std::string_view::npos)
        node.set_name(fmt::format("{}:{}", prefix, node.name()).c_str());
    for (auto child : node.children()) qualify(child, prefix);
}

void strip_prefix(pugi::xml_node node, const std::string& prefix) {
    if (std::string_view(node.name()).starts_with(prefix))
        node.set_name(std::string(node.name()).substr(prefix.size()).c_str());
    for (auto child : node.children()) strip_prefix(child, prefix);
}

/// As it was before it was put into its namespace, which who asks for it knows.
void unqualify(pugi::xml_node node) {
    const std::string name = node.name();
    const auto colon = name.find(':');
    node.remove_attribute(colon == name.npos ? "xmlns" : fmt::format("xmlns:{}", name.substr(0, colon)).c_str());
    if (colon != name.npos) strip_prefix(node, name.substr(0, colon + 1));
}

std::string contents(const pugi::xml_node& node) {
    std::string text;
    for (const auto& child : node.children()) text += print(child);
    return text;
}

/// An element under that prefix and namespace; held to the same rules as a definition, which it becomes part of.
void add_element(pugi::xml_node metadata, const std::string& text, const std::string& key, const std::string& uri) {
    pugi::xml_document addition;
    if (format::root_element(text).empty()
        || !addition.load_string(text.c_str(), pugi::parse_full | pugi::parse_ws_pcdata)
        || !addition.document_element())
        throw Error(ErrorCode::xml_error, ErrorDomain::dom, "XML error: the metadata is not one well-formed element");
    auto added = metadata.append_copy(addition.document_element());
    const auto declaration = fmt::format("xmlns:{}", key);
    added.remove_attribute("xmlns");
    added.remove_attribute(declaration.c_str());
    const std::string name = added.name();
    if (const auto colon = name.find(':'); colon != name.npos) strip_prefix(added, name.substr(0, colon + 1));
    qualify(added, key);
    added.prepend_attribute(declaration.c_str()) = uri.c_str();
}

/// What is inside <metadata> with that element replaced, or removed; nothing where nothing is left.
std::optional<std::string> with_element(const std::optional<std::string>& before,
                                        const std::optional<std::string>& wanted, const std::string& key,
                                        const std::string& uri) {
    auto document = parse_metadata(before);
    auto metadata = document.document_element();
    if (const auto old = find_element(metadata, uri)) metadata.remove_child(old);
    if (wanted) add_element(metadata, *wanted, key, uri);
    auto inside = contents(metadata);
    if (inside.find_first_not_of(" \t\r\n") == std::string::npos) return std::nullopt;
    return inside;
}

} // namespace

std::string domain_xml(const DomainView& view, unsigned flags) {
    const bool secrets = flags & xml_flag::secure;
    const bool inactive = (flags & (xml_flag::inactive | xml_flag::migratable)) || !view.live;
    if (!inactive) return format::to_xml(*view.live->domain, {.live = true, .secrets = secrets});
    // A running domain's migratable form is its live definition without what only a running one has.
    const bool of_live = view.live && ((flags & xml_flag::migratable) || !view.definition);
    if (of_live) {
        auto bare = *view.live->domain;
        model::strip_live(bare);
        return format::to_xml(bare, {.live = false, .secrets = secrets || (flags & xml_flag::migratable)});
    }
    if (secrets || !view.definition->summary.has_secrets) return view.definition->xml;
    return format::to_xml(parse_definition(*view.definition), {.live = false, .secrets = false});
}

model::Domain domain_model(const DomainView& view, Impact impact) {
    if (impact.live && !view.live) throw invalid_operation("domain is not running");
    if (impact.config && !view.definition)
        throw invalid_operation("transient domains do not have any persistent config");
    if (view.live && !impact.config) return *view.live->domain;
    return parse_definition(*view.definition);
}

std::string domain_metadata(const DomainView& view, int type, const std::string& uri, Impact impact) {
    const auto domain = domain_model(view, impact);
    if (type == description) {
        if (!domain.description) throw no_metadata("description");
        return *domain.description;
    }
    if (type == title) {
        if (!domain.title) throw no_metadata("title");
        return *domain.title;
    }
    if (type != element)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom, fmt::format("unknown metadata type {}", type));
    const auto document = parse_metadata(domain.metadata);
    const auto found = find_element(document.document_element(), uri);
    if (!found) throw no_metadata("metadata element");
    unqualify(found);
    return print(found);
}

void set_metadata(model::Domain& domain, int type, const std::optional<std::string>& text, const std::string& key,
                  const std::string& uri) {
    const auto wanted = text && !text->empty() ? text : std::nullopt;
    if (type == description) {
        domain.description = wanted;
        return;
    }
    if (type == title) {
        if (wanted && wanted->find('\n') != std::string::npos)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::dom, "a domain's title is one line");
        domain.title = wanted;
        return;
    }
    if (type != element)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom, fmt::format("unknown metadata type {}", type));
    domain.metadata = with_element(domain.metadata, wanted, key, uri);
}

} // namespace domus::compute
