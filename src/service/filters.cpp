#include "service/filters.hpp"

#include <fmt/format.h>

namespace domus::service {

filter::Filters& filters_or_refuse(filter::Filters* filters) {
    if (filters) return *filters;
    throw Error(ErrorCode::operation_unsupported, ErrorDomain::nwfilter,
                "this daemon runs without privileges and has no network filters")
        .hint("use the system's daemon: qemu:///system");
}

std::vector<FilterView> FilterOperations::list() const {
    return filters_ ? filters_->list() : std::vector<FilterView>();
}

FilterView FilterOperations::lookup_by_name(const std::string& name) const {
    if (!filters_)
        throw Error(ErrorCode::no_nwfilter, ErrorDomain::nwfilter,
                    fmt::format("Network filter not found: no nwfilter with matching name '{}'", name));
    return filters_->get_name(name);
}

FilterView FilterOperations::lookup_by_uuid(const Uuid& uuid) const { return filters_or_refuse(filters_).get(uuid); }

std::string FilterOperations::xml(const FilterRef& ref) const {
    return format::to_xml(*filters_or_refuse(filters_).get(ref.uuid).definition);
}

Task<FilterView> FilterOperations::define(std::string xml, Flags<FilterDefineFlag> flags) {
    return filters_or_refuse(filters_).define(std::move(xml), flags.has(FilterDefineFlag::validate));
}

Task<> FilterOperations::undefine(FilterRef ref) { return filters_or_refuse(filters_).undefine(ref.uuid); }

std::vector<BindingView> FilterBindingOperations::list() const {
    return filters_ ? filters_->bindings() : std::vector<BindingView>();
}

BindingView FilterBindingOperations::lookup(const FilterBindingRef& ref) const {
    return filters_or_refuse(filters_).binding(ref.device);
}

std::string FilterBindingOperations::xml(const FilterBindingRef& ref) const {
    return format::to_xml(*lookup(ref).definition);
}

std::vector<ExplainedRule> FilterBindingOperations::explain(const FilterBindingRef& ref) const {
    auto& filters = filters_or_refuse(filters_);
    std::vector<ExplainedRule> rules;
    for (const auto& binding : filters.bindings_of(ref.device)) {
        auto told = filters.explain(binding.device);
        const auto add = [&](PacketWay way, std::vector<filter::Explanation::Line>& lines) {
            for (auto& line : lines)
                rules.push_back({binding.device, way, std::move(line.text), std::move(line.filter),
                                 std::move(line.chain), line.priority});
        };
        add(PacketWay::from_guest, told.from_guest);
        add(PacketWay::to_guest, told.to_guest);
    }
    return rules;
}

Task<BindingView> FilterBindingOperations::create(std::string xml, Flags<FilterBindingCreateFlag> flags) {
    return filters_or_refuse(filters_).bind_xml(std::move(xml), flags.has(FilterBindingCreateFlag::validate));
}

Task<> FilterBindingOperations::remove(FilterBindingRef ref) {
    auto& filters = filters_or_refuse(filters_);
    (void)filters.binding(ref.device); // throws where there is none
    return filters.unbind(std::move(ref.device));
}

} // namespace domus::service
