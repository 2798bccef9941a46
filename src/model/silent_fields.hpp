// For tests: which fields of a document have no effect and are not refused. Each field of each table gets values in each
// sample that can have it, until the outcome of the sample differs, or is a refusal that names the field or an element
// around it.
//
//     const SilentFields search(model::Network::schema(), outcome, samples);
//     for (const auto& path : search.find({kept, elsewhere})) ADD_FAILURE() << path << SilentFields::help;
#pragma once

#include "format/every_field.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace domus::model {

/// Fields whose path is this, or begins or ends so where there is a '*', and what is known of them.
struct FieldNote {
    std::string_view path;
    std::string_view note;

    bool names(std::string_view other) const {
        if (path.starts_with('*')) return other.ends_with(path.substr(1));
        if (path.ends_with('*')) return other.starts_with(path.substr(0, path.size() - 1));
        return other == path;
    }
};

/// What comes of a document: all that is done for it, as text. `refusal` is not empty where it is refused as unsupported.
struct Outcome {
    std::string text, refusal;
};

/// With all that find_unsupported() says.
template <class T> Outcome refused(const T& value) {
    format::Findings unsupported;
    find_unsupported(value, unsupported);
    Outcome result;
    for (const auto& finding : unsupported) result.refusal += finding.text + "\n";
    return result;
}

/// Throws for documents that are no good.
using OutcomeOf = std::function<Outcome(const std::string& document)>;

class SilentFields {
public:
    static constexpr std::string_view help =
        " has no effect and is not refused: add a row to src/model/unsupported.cpp, or to the test's list of what is "
        "kept by design or shown elsewhere";

    /// `left_out`: places that tell nothing of the tables used there, since all of them is refused, or no reader counts it.
    SilentFields(const format::Schema& schema, OutcomeOf outcome, const std::vector<std::string>& samples,
                 std::span<const FieldNote> left_out = {})
        : places_(format::every_field(schema)), outcome_(std::move(outcome)) {
        std::erase_if(places_, [&](const auto& place) { return is_noted(place.path, {left_out}); });
        for (const auto& text : samples) {
            auto each = std::make_unique<Sample>();
            each->document.load_string(text.c_str());
            each->outcome = outcome_(format::detail::text_of(each->document));
            samples_.push_back(std::move(each));
        }
    }

    /// Of each silent field the place where its table is used first. Notes that name no field are listed too.
    std::vector<std::string> find(std::initializer_list<std::span<const FieldNote>> lists) const {
        std::map<const format::Field*, std::vector<const format::FieldPlace*>> places;
        std::set<const format::Field*> known;
        for (const auto& place : places_) {
            places[place.field].push_back(&place);
            if (is_noted(place.path, lists)) known.insert(place.field);
        }
        std::vector<std::string> silent;
        for (const auto& first : places_) {
            if (!known.insert(first.field).second) continue;
            const auto is_heard = [&](const auto* place) { return !is_silent(*place); };
            if (std::ranges::none_of(places[first.field], is_heard)) silent.push_back(first.path);
        }
        for (const auto& notes : lists)
            for (const auto& note : notes)
                if (std::ranges::none_of(places_, [&](const auto& place) { return note.names(place.path); }))
                    silent.push_back(fmt::format("the note for '{}', which no field is,", note.path));
        return silent;
    }

private:
    struct Sample {
        pugi::xml_document document;
        Outcome outcome;
    };

    static bool is_noted(const std::string& path, std::initializer_list<std::span<const FieldNote>> lists) {
        for (const auto& notes : lists)
            for (const auto& note : notes)
                if (note.names(path)) return true;
        return false;
    }

    /// Samples that have the element come first: they have what belongs to it. Then those that have most of the way to it.
    bool is_silent(const format::FieldPlace& place) const {
        constexpr std::size_t enough = 6;
        for (const auto& sample : samples_)
            if (format::occurrence(sample->document, place).elements > 0
                && has_effect(*sample, place, format::Missing::leave))
                return false;
        std::map<std::size_t, std::vector<const Sample*>> by_depth;
        for (const auto& sample : samples_)
            by_depth[format::depth_reached(sample->document, place)].push_back(sample.get());
        by_depth.erase(place.elements.size());
        if (by_depth.empty()) return true;
        for (const auto* sample : by_depth.rbegin()->second | std::views::take(enough))
            if (has_effect(*sample, place, format::Missing::make)) return false;
        return true;
    }

    bool has_effect(const Sample& sample, const format::FieldPlace& place, format::Missing missing) const {
        if (missing == format::Missing::leave && tells(sample, place, std::nullopt, missing)) return true;
        const auto values = format::values_to_try(*place.field);
        return std::ranges::any_of(values, [&](const auto& value) { return tells(sample, place, value, missing); });
    }

    bool tells(const Sample& sample, const format::FieldPlace& place, const std::optional<std::string>& value,
               format::Missing missing) const {
        for (const auto& text : format::with_value(sample.document, place, value, missing)) {
            try {
                const auto now = outcome_(text);
                if (now.refusal.empty() ? now.text != sample.outcome.text && sample.outcome.refusal.empty()
                                        : is_named(now.refusal, place))
                    return true;
            } catch (const Error&) {
                continue; // no good value for it
            }
        }
        return false;
    }

    static bool is_named(const std::string& refusal, const format::FieldPlace& place) {
        if (place.is_attribute() && refusal.find("'" + place.field->name + "'") != refusal.npos) return true;
        for (const auto& element : place.elements)
            if (refusal.find("<" + element + ">") != refusal.npos || refusal.find("<" + element + " ") != refusal.npos)
                return true;
        return false;
    }

    std::vector<format::FieldPlace> places_;
    OutcomeOf outcome_;
    std::vector<std::unique_ptr<Sample>> samples_;
};

} // namespace domus::model
