// Operations on network filters, and on the ports on which they are in force.
#pragma once

#include "filter/filters.hpp"
#include "service/filter_flags.hpp"
#include "service/objects.hpp"

#include <string>
#include <vector>

namespace domus::service {

using filter::BindingView;
using filter::FilterView;

/// A filter as calls name it.
struct FilterRef {
    std::string name;
    Uuid uuid;
};
inline Object object_of(const FilterRef& ref) { return {"filter", ref.name, ref.uuid}; }
inline Object object_of(const FilterView& view) { return {"filter", view.name, view.uuid}; }

struct FilterBindingRef {
    std::string device;
};
inline Object object_of(const FilterBindingRef& ref) { return {"filter binding", ref.device, {}}; }
inline Object object_of(const BindingView& view) { return {"filter binding", view.device, {}}; }

enum class PacketWay { from_guest, to_guest };

/// A rule that is in force, in words.
struct ExplainedRule {
    std::string device;
    PacketWay way = PacketWay::from_guest;
    std::string text;   ///< "drop ARP messages"
    std::string filter; ///< where it stands
    std::string chain;
    int priority = 0;
};

class FilterOperations {
public:
    /// `filters` is null in an unprivileged daemon: then there are none.
    explicit FilterOperations(filter::Filters* filters) : filters_(filters) {}

    std::vector<FilterView> list() const;
    /// Throw no_nwfilter.
    FilterView lookup_by_name(const std::string& name) const;
    FilterView lookup_by_uuid(const Uuid& uuid) const;
    std::string xml(const FilterRef& ref) const;

    Task<FilterView> define(std::string xml, Flags<FilterDefineFlag> flags);
    Task<> undefine(FilterRef ref);

private:
    filter::Filters* filters_;
};

class FilterBindingOperations {
public:
    explicit FilterBindingOperations(filter::Filters* filters) : filters_(filters) {}

    std::vector<BindingView> list() const;
    /// Throw no_nwfilter_binding.
    BindingView lookup(const FilterBindingRef& ref) const;
    std::string xml(const FilterBindingRef& ref) const;
    /// Of a device, or of all devices of a domain, by its name or UUID.
    std::vector<ExplainedRule> explain(const FilterBindingRef& ref) const;

    Task<BindingView> create(std::string xml, Flags<FilterBindingCreateFlag> flags);
    Task<> remove(FilterBindingRef ref);

private:
    filter::Filters* filters_;
};

/// Throws operation_unsupported where there are none.
filter::Filters& filters_or_refuse(filter::Filters* filters);

} // namespace domus::service

namespace domus::format {
template <> inline constexpr auto words<service::PacketWay> = word_list("from-guest", "to-guest");
} // namespace domus::format
