#include "filter/expand.hpp"

#include "model/nwfilter_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace domus::filter {

namespace {

constexpr std::size_t most_rules = 20'000;    ///< of one port
constexpr int deepest = 100;                  ///< filters within filters
constexpr std::size_t most_includes = 10'000; ///< of filters that include others twice, and so on

Error failure(std::string what) {
    return Error(ErrorCode::internal_error, ErrorDomain::nwfilter, "internal error: " + std::move(what));
}

/// An attribute of a rule whose value is a variable.
struct Use {
    const model::FilterAttribute* attribute = nullptr;
    model::VariableAccess access;
    const std::vector<std::string>* values = nullptr;
};

class Expansion {
public:
    Expansion(const Lookup& lookup, Expanded& out) : lookup_(lookup), out_(out) {}

    void include(const model::FilterReference& reference, const Variables& outer, int depth) {
        const auto* filter = lookup_(reference.filter);
        if (!filter) throw failure(fmt::format("referenced filter '{}' is missing", reference.filter));
        if (depth > deepest || ++included_ > most_includes)
            throw failure(fmt::format("filter '{}' is included too deeply or too often", reference.filter));
        const auto variables = variables_of(reference, outer);
        const auto chain = filter->chain.value_or("root");
        if (chain != "root") out_.chains.emplace(chain, filter->priority.value_or(0));
        auto next = filter->includes.begin();
        const auto includes_before = [&](int order) {
            for (; next != filter->includes.end() && next->rest.order < order; ++next)
                include(*next, variables, depth + 1);
        };
        for (const auto& rule : filter->rules) {
            includes_before(rule.rest.order);
            add(*filter, chain, rule, variables);
        }
        for (; next != filter->includes.end(); ++next) include(*next, variables, depth + 1);
    }

private:
    void add(const model::NwFilter& filter, const std::string& chain, const model::FilterRule& rule,
             const Variables& variables) {
        Rule made;
        made.filter = filter.name;
        made.chain = chain;
        made.action = rule.action;
        made.direction = rule.direction;
        made.priority = rule.priority;
        made.stateless = rule.is_stateless();
        rule.each_match([&](model::FilterProtocol protocol, const model::FilterMatch& match) {
            made.protocol = protocol;
            made.match = match;
        });
        const auto uses = uses_of(made.protocol, made.match, variables);
        if (uses) each_turn(*uses, made);
    }

    /// Nothing where a variable is missing, which is noted.
    std::optional<std::vector<Use>> uses_of(model::FilterProtocol protocol, const model::FilterMatch& match,
                                            const Variables& variables) {
        std::vector<Use> uses;
        bool complete = true;
        for (const auto& attribute : model::filter_attributes()) {
            const auto& value = match.*attribute.member;
            if (!value || !attribute.of(protocol) || attribute.kind == model::FilterValue::words) continue;
            const auto access = model::parse_variable(*value);
            if (!access) continue;
            const auto found = variables.find(access->name);
            if (found == variables.end() || (access->element && access->index >= found->second.size())) {
                out_.missing.insert(access->element ? access->text() : access->name);
                complete = false;
                continue;
            }
            uses.push_back({&attribute, *access, &found->second});
        }
        return complete ? std::optional(std::move(uses)) : std::nullopt;
    }

    /// A rule for each combination: variables of one turn advance together, those of different turns independently.
    void each_turn(const std::vector<Use>& uses, const Rule& pattern) {
        std::map<unsigned, std::size_t> lengths, at;
        for (const auto& use : uses) {
            if (use.access.element) continue;
            const auto [place, fresh] = lengths.emplace(use.access.index, use.values->size());
            if (!fresh && place->second != use.values->size())
                throw failure("Cardinality of list items must be the same for processing them in parallel");
            at[use.access.index] = 0;
        }
        for (;;) {
            emit(uses, at, pattern);
            auto turn = at.begin();
            while (turn != at.end() && ++turn->second == lengths[turn->first]) (turn++)->second = 0;
            if (turn == at.end()) return;
        }
    }

    void emit(const std::vector<Use>& uses, const std::map<unsigned, std::size_t>& at, const Rule& pattern) {
        if (out_.rules.size() >= most_rules)
            throw Error(
                ErrorCode::operation_invalid, ErrorDomain::nwfilter,
                fmt::format("the filter '{}' makes more than {} rules for one port", pattern.filter, most_rules))
                .hint("shorten the lists of its variables, or compare with masks in place of addresses");
        auto& rule = out_.rules.emplace_back(pattern);
        for (const auto& use : uses) {
            const auto& text = (*use.values)[use.access.element ? use.access.index : at.at(use.access.index)];
            auto value =
                model::is_variable(text) ? std::nullopt : model::canonical_value(*use.attribute, rule.protocol, text);
            if (!value)
                throw failure(fmt::format("{} has illegal value {}, which is that of the variable {}",
                                          use.attribute->name(), text, use.access.name));
            rule.match.*use.attribute->member = std::move(value);
        }
    }

    const Lookup& lookup_;
    Expanded& out_;
    std::size_t included_ = 0;
};

void collect_names(const Lookup& lookup, const std::vector<model::FilterReference>& references,
                   std::set<std::string>& names) {
    for (const auto& reference : references) {
        if (!names.insert(reference.filter).second) continue;
        if (const auto* filter = lookup(reference.filter)) collect_names(lookup, filter->includes, names);
    }
}

} // namespace

Variables variables_of(const model::FilterReference& reference, const Variables& outer) {
    Variables variables;
    for (const auto& parameter : reference.parameters) variables[parameter.name].push_back(parameter.value);
    for (const auto& [name, values] : outer) variables[name] = values;
    return variables;
}

Expanded expand(const Lookup& lookup, const model::FilterReference& reference, const Variables& outer) {
    Expanded out;
    Expansion(lookup, out).include(reference, outer, 0);
    return out;
}

std::set<std::string> names_below(const Lookup& lookup, const std::vector<model::FilterReference>& references) {
    std::set<std::string> names;
    collect_names(lookup, references, names);
    return names;
}

} // namespace domus::filter
