#include "format/xml_document.hpp"
#include "format/bounds.hpp"

#include "format/xml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

namespace domus::format {

namespace {

/// XML 1.0, 2.2: which characters may stand in a document.
bool allowed(std::uint32_t c) {
    if (c < 0x20) return c == '\t' || c == '\n' || c == '\r';
    return c < 0xd800 || (c > 0xdfff && c < 0xfffe) || (c > 0xffff && c < 0x110000);
}

/// Those that begin: neither end tags nor comments, declarations and the like.
std::size_t count_elements(std::string_view text) {
    std::size_t count = 0;
    for (auto at = text.find('<'); at != text.npos; at = text.find('<', at + 1))
        count += at + 1 < text.size() && text[at + 1] != '/' && text[at + 1] != '!' && text[at + 1] != '?';
    return count;
}

void require_within(std::string_view text, std::size_t bytes, std::size_t elements, ErrorDomain domain) {
    if (text.size() > bytes)
        throw Error(ErrorCode::xml_error, domain,
                    fmt::format("the XML document of {} bytes is larger than {}", text.size(), bytes));
    if (const auto count = count_elements(text); count > elements)
        throw Error(ErrorCode::xml_error, domain,
                    fmt::format("the XML document has {} elements, at most {} are possible", count, elements));
}

class Loader {
public:
    Loader(std::string_view text, ErrorDomain domain) : text_(text), domain_(domain) {}

    pugi::xml_node load(pugi::xml_document& document) {
        require_within(text_, largest_document, most_elements, domain_);
        characters();
        references();
        constexpr auto how = pugi::parse_full | pugi::parse_ws_pcdata;
        const auto result = document.load_buffer(text_.data(), text_.size(), how, pugi::encoding_utf8);
        if (!result) fail(result.offset, result.description());
        structure(document);
        return document.document_element();
    }

private:
    [[noreturn]] void fail(std::ptrdiff_t offset, std::string_view what) const {
        const auto size = static_cast<std::ptrdiff_t>(text_.size());
        const auto end = text_.begin() + std::clamp<std::ptrdiff_t>(offset, 0, size);
        throw Error(ErrorCode::xml_detail, domain_,
                    fmt::format("XML error: line {}: {}", 1 + std::count(text_.begin(), end, '\n'), what));
    }

    [[noreturn]] void fail(std::size_t offset, std::string_view what) const {
        fail(static_cast<std::ptrdiff_t>(offset), what);
    }

    void characters() const {
        for (std::size_t at = 0; at < text_.size();) {
            const auto length = character_length(text_, at);
            if (length == 0) fail(at, "the text is not UTF-8, or has a character that XML does not allow");
            at += length;
        }
    }

    /// A number of a character must not bring in one that may not stand there.
    void references() const {
        for (auto at = text_.find("&#"); at != text_.npos; at = text_.find("&#", at + 2)) {
            const bool hexadecimal = text_.substr(at + 2).starts_with('x');
            const auto digits = text_.substr(at + 2 + hexadecimal, 16);
            std::uint32_t c = 0;
            const auto [end, error] =
                std::from_chars(digits.data(), digits.data() + digits.size(), c, hexadecimal ? 16 : 10);
            if (error != std::errc{} || end == digits.data() + digits.size() || *end != ';' || !allowed(c))
                fail(at, "a reference to a character that XML does not allow");
        }
    }

    /// One element in all, not too deep, each attribute once. Not recursive: the depth is what it bounds.
    void structure(const pugi::xml_document& document) {
        const auto is_element = [](const pugi::xml_node& node) { return node.type() == pugi::node_element; };
        if (std::count_if(document.begin(), document.end(), is_element) != 1)
            fail(text_.size(), "a document has one element that holds all others");
        int depth = 0;
        for (auto node = document.first_child(); node;) {
            if (is_element(node)) attributes(node);
            if (node.first_child()) {
                if (++depth > deepest_nesting) fail(node.offset_debug(), "elements are nested too deeply");
                node = node.first_child();
                continue;
            }
            while (node && !node.next_sibling()) {
                node = node.parent();
                --depth;
            }
            if (node) node = node.next_sibling();
        }
    }

    void attributes(const pugi::xml_node& node) {
        names_.clear();
        for (const auto& attribute : node.attributes()) names_.push_back(attribute.name());
        if (names_.size() > most_attributes)
            fail(node.offset_debug(), fmt::format("<{}> has more than {} attributes", node.name(), most_attributes));
        std::ranges::sort(names_);
        if (const auto twice = std::ranges::adjacent_find(names_); twice != names_.end())
            fail(node.offset_debug(), fmt::format("<{}> has the attribute '{}' twice", node.name(), *twice));
    }

    std::vector<std::string_view> names_; ///< of the attributes of one element
    std::string_view text_;
    ErrorDomain domain_;
};

} // namespace

std::size_t character_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> std::uint32_t {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
    };
    const std::uint32_t first = byte(at);
    if (first < 0x80) return allowed(first) ? 1 : 0;
    if (first < 0xc2 || first > 0xf4) return 0;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    std::uint32_t c = first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) return 0;
        c = c << 6 | (byte(at + i) & 0x3f);
    }
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return c >= least[length] && allowed(c) ? length : 0;
}

bool is_xml_text(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto length = character_length(text, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

bool is_xml_name(std::string_view name) {
    const auto begins = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'
               || static_cast<unsigned char>(c) >= 0x80;
    };
    const auto goes_on = [&](char c) { return begins(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
    return !name.empty() && begins(name.front()) && std::all_of(name.begin(), name.end(), goes_on) && is_xml_text(name);
}

bool is_xml_content(std::string_view text) {
    pugi::xml_document document;
    try {
        load_document(fmt::format("<x>{}</x>", text), document, ErrorDomain::xml);
        return true;
    } catch (const Error&) {
        return false;
    }
}

void require_small(std::string_view text, ErrorDomain domain) {
    constexpr std::size_t bytes = 1u << 20, elements = 20'000;
    require_within(text, bytes, elements, domain);
}

pugi::xml_node load_document(std::string_view text, pugi::xml_document& document, ErrorDomain domain) {
    return Loader(text, domain).load(document);
}

} // namespace domus::format
