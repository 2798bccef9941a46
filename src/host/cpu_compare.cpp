#include "host/cpu_compare.hpp"

#include "base/error.hpp"
#include "format/bounds.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pugixml.hpp>

#include <algorithm>
#include <sstream>

namespace domus::host {

namespace {

/// Features that tie a guest to its host.
constexpr std::array<std::string_view, 1> not_migratable{"invtsc"};

bool is_model_of_people(std::string_view name) {
    if (name == "max" || name == "host" || name == "base") return false;
    const auto version = name.rfind("-v");
    return version == name.npos || name.find_first_not_of("0123456789", version + 2) != name.npos;
}

FeatureSet difference(const FeatureSet& from, const FeatureSet& what) {
    FeatureSet rest;
    std::ranges::set_difference(from, what, std::inserter(rest, rest.end()));
    return rest;
}

/// In the description of a CPU itself, of a domain or of a host.
pugi::xml_node cpu_in(const pugi::xml_node& root) {
    const std::string_view name = root.name();
    if (name == "cpu") return root;
    if (name == "domain") return root.child("cpu");
    return name == "capabilities" ? root.child("host").child("cpu") : pugi::xml_node{};
}

std::string print(const pugi::xml_node& node) {
    std::ostringstream out;
    node.print(out, "", pugi::format_raw);
    return std::move(out).str();
}

Error no_cpu() {
    return Error(ErrorCode::xml_error, ErrorDomain::cpu, "XML error: there is no <cpu> in the XML")
        .hint("give the <cpu> of a domain, or of 'domus capabilities'");
}

std::string known_feature(const std::string& name, const CpuTable& table) {
    if (auto known = table.feature(name)) return *known;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::cpu,
                fmt::format("unsupported configuration: unknown CPU feature: {}", name));
}

} // namespace

DescribedCpu parse_cpu(const std::string& xml) {
    format::require_small(xml, ErrorDomain::cpu); // whoever may only ask gives such documents
    pugi::xml_document document;
    if (format::root_element(xml).empty() || !document.load_string(xml.c_str()))
        throw Error(ErrorCode::xml_error, ErrorDomain::cpu, "XML error: the CPU's XML is not well-formed");
    auto node = cpu_in(document.document_element());
    if (!node) throw no_cpu();
    DescribedCpu described;
    described.architecture = node.child_value("arch");
    node.remove_child("arch"); // of a host's description only
    node.remove_child("counter");
    node.remove_child("pages");
    node.remove_child("microcode");
    node.remove_child("signature");
    described.cpu = format::from_xml<model::Cpu>(print(node), ErrorDomain::cpu);
    constexpr std::size_t most_features = 2000; // no processor has a fourth of that
    if (const auto count = described.cpu.features.size(); count > most_features)
        throw Error(ErrorCode::xml_error, ErrorDomain::cpu,
                    fmt::format("XML error: <cpu> has {} <feature>; at most {} are possible", count, most_features));
    return described;
}

FeatureSet host_features(const std::vector<std::string>& flags, const CpuTable& table) {
    FeatureSet features;
    for (const auto& flag : flags)
        if (const auto name = table.feature(flag)) features.insert(*name);
    return features;
}

FeatureSet wanted_features(const model::Cpu& cpu, const CpuTable& table) {
    using model::FeaturePolicy;
    FeatureSet wanted;
    if (cpu.model) {
        const auto* model = table.find(*cpu.model);
        if (!model)
            throw Error(ErrorCode::config_unsupported, ErrorDomain::cpu,
                        fmt::format("unsupported configuration: Unknown CPU model {}", *cpu.model))
                .hint("see 'domus cpu-models x86_64'");
        wanted = *model;
    }
    for (const auto& feature : cpu.features) {
        const auto name = known_feature(feature.name, table);
        const auto policy = feature.policy.value_or(FeaturePolicy::require);
        if (policy == FeaturePolicy::require || policy == FeaturePolicy::force)
            wanted.insert(name);
        else if (policy != FeaturePolicy::optional)
            wanted.erase(name);
    }
    return wanted;
}

Judgement compare(const DescribedCpu& wanted, const FeatureSet& there, const std::string& architecture,
                  const CpuTable& table) {
    if (!wanted.architecture.empty() && wanted.architecture != architecture)
        return {Comparison::incompatible,
                fmt::format("CPU arch {} does not match host arch {}", wanted.architecture, architecture)};
    const auto features = wanted_features(wanted.cpu, table);
    if (const auto missing = difference(features, there); !missing.empty())
        return {Comparison::incompatible,
                fmt::format("Host CPU does not provide required features: {}", fmt::join(missing, ", "))};
    for (const auto& feature : wanted.cpu.features)
        if (feature.policy == model::FeaturePolicy::forbid && there.contains(known_feature(feature.name, table)))
            return {Comparison::incompatible, fmt::format("Host CPU provides forbidden features: {}", feature.name)};
    if (features == there) return {Comparison::identical, {}};
    if (wanted.cpu.match == model::CpuMatch::strict)
        return {Comparison::incompatible, "Host CPU does not strictly match guest CPU: Extra features"};
    return {Comparison::superset, {}};
}

model::Cpu describe(const FeatureSet& there, const CpuTable& table, const std::set<std::string>& preferred) {
    const std::string* best = nullptr;
    const FeatureSet* most = nullptr;
    for (const auto& [name, features] : table.models()) {
        if (!is_model_of_people(name) || !std::ranges::includes(there, features)) continue;
        const bool better =
            !most || features.size() > most->size()
            || (features.size() == most->size() && preferred.contains(name) && !preferred.contains(*best));
        if (!better) continue;
        best = &name;
        most = &features;
    }
    if (!best)
        throw Error(ErrorCode::operation_failed, ErrorDomain::cpu, "operation failed: CPUs are incompatible")
            .because("no CPU model has only features that all of them have");
    model::Cpu cpu;
    cpu.mode = model::CpuMode::custom;
    cpu.match = model::CpuMatch::exact;
    cpu.model = *best;
    cpu.fallback = model::CpuFallback::forbid;
    for (const auto& feature : difference(there, *most)) {
        auto& added = cpu.features.emplace_back();
        added.policy = model::FeaturePolicy::require;
        added.name = feature;
    }
    return cpu;
}

model::Cpu baseline(const std::vector<DescribedCpu>& cpus, const FeatureSet* limit, bool expand, bool migratable,
                    const CpuTable& table) {
    if (cpus.empty()) throw Error(ErrorCode::invalid_arg, ErrorDomain::cpu, "invalid argument: No CPUs given");
    std::optional<FeatureSet> common;
    if (limit) common = *limit;
    std::set<std::string> models;
    auto vendor = cpus.front().cpu.vendor;
    for (const auto& each : cpus) {
        if (each.cpu.model) models.insert(*each.cpu.model);
        if (each.cpu.vendor != vendor) vendor.reset();
        const auto features = wanted_features(each.cpu, table);
        if (!common)
            common = features;
        else
            std::erase_if(*common, [&](const std::string& feature) { return !features.contains(feature); });
    }
    if (migratable)
        std::erase_if(*common, [](const std::string& feature) {
            return std::ranges::find(not_migratable, feature) != not_migratable.end();
        });
    auto cpu = describe(*common, table, models);
    cpu.vendor = vendor;
    if (!expand) return cpu;
    cpu.features.clear();
    for (const auto& feature : *common) {
        auto& added = cpu.features.emplace_back();
        added.policy = model::FeaturePolicy::require;
        added.name = feature;
    }
    return cpu;
}

} // namespace domus::host
