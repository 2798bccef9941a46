// The reference page of a format, made from its table: every element and attribute, what it means and what it may be.
#pragma once

#include "format/schema.hpp"

#include <string>

namespace domus::format {

/// Markdown: a section for the type and for each type that its table leads to.
std::string reference(const Schema& schema);

} // namespace domus::format
