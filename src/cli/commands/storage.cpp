#include "cli/commands/storage.hpp"

#include "format/xml.hpp"

#include <fmt/format.h>

#include <strings.h>

namespace domus::cli {

std::string storage_hint(const Error& error, std::string_view pool, std::string otherwise) {
    if (!error.hint().empty() || error.text().find("\nhint: ") != std::string::npos) return {};
    switch (error.code()) {
    case ErrorCode::no_storage_pool:
        return "'domus pool-list --all' shows the pools that are there";
    case ErrorCode::no_storage_vol:
        return fmt::format("'domus vol-list {}' shows the volumes that are there", pool);
    case ErrorCode::no_support:
        return "the daemon at the other end does not offer this";
    case ErrorCode::operation_denied:
        return "leave --readonly away, and ask the administrator for the right to it";
    case ErrorCode::operation_invalid:
        return fmt::format("'domus pool-info {}' shows its state", pool);
    default:
        return otherwise;
    }
}

Option the_pool(Complete complete) { return required(text("pool", "name or UUID of the pool", complete)); }
Option xpath_option() { return named(text("xpath", "print only what this XPath expression finds")); }
Option wrap_option() { return flag("wrap", "wrap the results in one element"); }

std::string xml_escaped(std::string_view text) {
    std::string out;
    format::escape(text, out);
    return out;
}

bool before_without_case(const std::string& left, const std::string& right) {
    const int order = strcasecmp(left.c_str(), right.c_str());
    return order != 0 ? order < 0 : left < right;
}

} // namespace domus::cli
