// The parts of check(): each judges one thing of a domain and adds what it finds. Only the sources check*.cpp use it.
#pragma once

#include "format/bounds.hpp"
#include "model/domain.hpp"

#include <fmt/format.h>

namespace domus::model::checks {

/// Collects breaches; each names the line of the element and what to do.
class Report {
public:
    explicit Report(format::Findings& findings) : findings_(findings) {}

    template <class... Part> void add(const format::Rest& where, fmt::format_string<Part...> text, Part&&... parts) {
        const bool worded = findings_.size() < format::most_findings_worded;
        findings_.push_back(
            {where.line, worded ? fmt::format(text, std::forward<Part>(parts)...) : std::string(), false});
    }

private:
    format::Findings& findings_;
};

/// Reports a list that is longer than what follows can be judged and built for.
template <class List>
bool within(const List& list, std::size_t most, std::string_view owner, std::string_view what, Report& report) {
    if (list.size() <= most) return true;
    report.add(list[most].rest, "{} has {} {}; at most {} are possible", owner, list.size(), what, most);
    return false;
}

/// Whether no kind of device is there too often; the other checks are for domains of which that is so.
bool device_counts(const Domain& domain, Report& report);
void general(const Domain& domain, Report& report);
void processors(const Domain& domain, Report& report);
void disks(const Domain& domain, Report& report);
void interfaces(const Domain& domain, Report& report);
void character_devices(const Domain& domain, Report& report);
void other_devices(const Domain& domain, Report& report);
void addresses(const Domain& domain, Report& report);
void boot_order(const Domain& domain, Report& report);

void vlan(const Vlan& vlan, Report& report);
/// With ".xml" and further suffixes still the name of a file.
inline constexpr std::size_t longest_object_name = 200;
/// The name of a domain, network or pool (`what`), which is also that of its files.
void object_name(const std::string& name, std::string_view what, const format::Rest& where, Report& report,
                 std::size_t longest = longest_object_name);

/// "0-3,^2,7": numbers and ranges of processors or nodes.
bool is_cpuset(std::string_view text);
/// "52:54:00:12:34:56".
bool is_mac(std::string_view text);
/// Whether a MAC address is that of a group of machines.
bool is_multicast(std::string_view mac);

} // namespace domus::model::checks
