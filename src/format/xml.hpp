// XML of every described type: one reader and one writer for all of them (pugixml below).
#pragma once

#include "base/error.hpp"
#include "format/schema.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace domus::format {

/// One thing that is wrong with a document, with the line on which the element begins.
struct Finding {
    int line = 0;
    std::string text;
    bool unsupported = false; ///< understood, but this version cannot honour it
};
using Findings = std::vector<Finding>;

/// Throws one Error that lists all findings (code xml_error, or config_unsupported if that is all they say); returns
/// if there are none.
void throw_findings(const Findings& findings, ErrorDomain domain, std::string_view what);

/// Throws all findings as one Error with libvirt's code and words for a document that is not valid (xml_invalid_schema).
void throw_invalid(const Findings& findings);

/// `strict` is for those who ask for validation: unknown elements and attributes, duplicate elements and bad values are
/// errors (xml_invalid_schema), each with its line. Otherwise what is unknown is kept, and of duplicates the first counts.
enum class Reading { lenient, strict };
constexpr Reading reading(bool validate) { return validate ? Reading::strict : Reading::lenient; }

struct WriteOptions {
    bool live = true;     ///< include what only a running object has
    bool secrets = false; ///< include passwords
    int indent = 0;       ///< columns before the first element
};

/// Reads one document into a value of the type; throws Error (xml_error, xml_detail for text that is no XML).
/// The document is at most 16 MiB with 200,000 elements; elements that the table does not know stay in the value's `rest`.
void read_xml(std::string_view text, const Schema& schema, void* value, ErrorDomain domain,
              Reading how = Reading::lenient);
/// Appends the element of a value to `out`, indented by two blanks a level, in single quotes, as libvirt writes it.
void write_xml(const Schema& schema, const void* value, const WriteOptions& options, std::string& out);

template <Described T>
T from_xml(std::string_view text, ErrorDomain domain = ErrorDomain::xml, Reading how = Reading::lenient) {
    T value{};
    read_xml(text, T::schema(), &value, domain, how);
    return value;
}

template <Described T> std::string to_xml(const T& value, const WriteOptions& options = {}) {
    std::string out;
    write_xml(T::schema(), &value, options, out);
    return out;
}

/// Name of the document's first element ("domain", "disk", "interface"); empty if it is no XML.
std::string root_element(std::string_view text);

/// Whether the text can stand in a document, escaped: it is UTF-8, without control characters.
bool is_xml_text(std::string_view text);
/// For text and attributes. A character that no document may have becomes U+FFFD.
void escape(std::string_view text, std::string& out);

} // namespace domus::format
