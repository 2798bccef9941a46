// A filter with all that it includes, as one list of rules in which values stand for variables.
// https://libvirt.org/formatnwfilter.html#usage-of-variables-in-filters
#pragma once

#include "model/nwfilter.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace domus::filter {

/// Each has one value or several.
using Variables = std::map<std::string, std::vector<std::string>>;

/// One rule with one combination of values.
struct Rule {
    std::string filter; ///< where it stands
    std::string chain;  ///< "root", "ipv4", ...
    model::FilterAction action = model::FilterAction::drop;
    model::FilterDirection direction = model::FilterDirection::inout;
    int priority = 0;
    bool stateless = false;
    model::FilterProtocol protocol = model::FilterProtocol::mac;
    model::FilterMatch match; ///< without variables; a rule that names no protocol is one of <mac/>
};

struct Expanded {
    std::vector<Rule> rules;           ///< in the order of the documents
    std::map<std::string, int> chains; ///< with their priorities; without "root"
    std::set<std::string> missing;     ///< variables without a value, or without that element
};

/// Null where there is none of that name.
using Lookup = std::function<const model::NwFilter*(const std::string& name)>;

/// The variables of a reference, which those of `outer` override.
Variables variables_of(const model::FilterReference& reference, const Variables& outer);

/// Throws internal_error for a filter that is missing, for lists of unlike lengths that are taken in parallel, and for values
/// that an attribute cannot have; operation_invalid for more rules than a port may have.
Expanded expand(const Lookup& lookup, const model::FilterReference& reference, const Variables& outer);

/// Names of all filters that a reference leads to, those that are missing too.
std::set<std::string> names_below(const Lookup& lookup, const std::vector<model::FilterReference>& references);

} // namespace domus::filter
