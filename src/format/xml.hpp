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

/// For those who ask that a document be validated: what no table knows. `throw_invalid` throws all findings as one Error
/// with libvirt's code and words for that (xml_invalid_schema).
void find_unknown(const Schema& schema, const void* value, Findings& findings);
void throw_invalid(const Findings& findings);

struct WriteOptions {
    bool live = true;     ///< include what only a running object has
    bool secrets = false; ///< include passwords
    int indent = 0;       ///< columns before the first element
};

/// Reads one document into a value of the type; throws Error (xml_error, xml_detail for text that is no XML).
/// The document is at most 16 MiB; elements that the table does not know stay in the value's `rest`.
void read_xml(std::string_view text, const Schema& schema, void* value, ErrorDomain domain);
/// Appends the element of a value to `out`, indented by two blanks a level, in single quotes, as libvirt writes it.
void write_xml(const Schema& schema, const void* value, const WriteOptions& options, std::string& out);

template <Described T> T from_xml(std::string_view text, ErrorDomain domain = ErrorDomain::xml) {
    T value{};
    read_xml(text, T::schema(), &value, domain);
    return value;
}

template <Described T> std::string to_xml(const T& value, const WriteOptions& options = {}) {
    std::string out;
    write_xml(T::schema(), &value, options, out);
    return out;
}

template <Described T> void require_known(const T& value) {
    Findings findings;
    find_unknown(T::schema(), &value, findings);
    throw_invalid(findings);
}

/// Name of the document's first element ("domain", "disk", "interface"); empty if it is no XML.
std::string root_element(std::string_view text);

/// For text and attributes. A character that no document may have becomes U+FFFD.
void escape(std::string_view text, std::string& out);

} // namespace domus::format
