// The parts of check(): each judges one thing of a domain and adds what it finds. Only the sources check*.cpp use it.
#pragma once

#include "model/domain.hpp"

#include <fmt/format.h>

namespace domus::model::checks {

/// Collects breaches; each names the line of the element and what to do.
class Report {
public:
    explicit Report(format::Findings& findings) : findings_(findings) {}

    template <class... Part> void add(const format::Rest& where, fmt::format_string<Part...> text, Part&&... parts) {
        findings_.push_back({where.line, fmt::format(text, std::forward<Part>(parts)...), false});
    }

private:
    format::Findings& findings_;
};

void general(const Domain& domain, Report& report);
void processors(const Domain& domain, Report& report);
void disks(const Domain& domain, Report& report);
void interfaces(const Domain& domain, Report& report);
void character_devices(const Domain& domain, Report& report);
void other_devices(const Domain& domain, Report& report);
void addresses(const Domain& domain, Report& report);
void boot_order(const Domain& domain, Report& report);

void vlan(const Vlan& vlan, Report& report);

/// "0-3,^2,7": numbers and ranges of processors or nodes.
bool is_cpuset(std::string_view text);
/// "52:54:00:12:34:56".
bool is_mac(std::string_view text);

} // namespace domus::model::checks
