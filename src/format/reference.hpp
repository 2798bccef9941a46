// The reference page of a format, made from its table: every element and attribute, what it means and what it may be.
#pragma once

#include "format/schema.hpp"

#include <span>
#include <string>

namespace domus::format {

/// Markdown: a section for the type and for each type that its table leads to, but those that have a page elsewhere
/// (NAME.md beside this one).
std::string reference(const Schema& schema, std::span<const Schema* const> elsewhere = {});

} // namespace domus::format
