// Processors compared by their features: what runs where, and what runs everywhere. Pure.
#pragma once

#include "engine/cpu_table.hpp"
#include "model/cpu.hpp"

#include <string>
#include <vector>

namespace domus::host {

using engine::CpuTable;
using engine::FeatureSet;

/// virCPUCompareResult.
enum class Comparison : int { incompatible, identical, superset };

struct Judgement {
    Comparison result = Comparison::incompatible;
    std::string why; ///< for people, when incompatible
};

/// A <cpu> element, or the one in a domain or in capabilities; throws xml_error.
struct DescribedCpu {
    model::Cpu cpu;
    std::string architecture; ///< empty: the host's
};
DescribedCpu parse_cpu(const std::string& xml);

/// Features of the host's processors under the names of the table (Node::flags as Linux spells them).
FeatureSet host_features(const std::vector<std::string>& flags, const CpuTable& table);

/// What a description asks for. Throws config_unsupported for models and features that are not known.
FeatureSet wanted_features(const model::Cpu& cpu, const CpuTable& table);

/// Whether a processor with `there` serves as the described one.
Judgement compare(const DescribedCpu& wanted, const FeatureSet& there, const std::string& architecture,
                  const CpuTable& table);

/// The model that has most of `there` and nothing beyond, with what is left as features. `preferred` wins among equals.
/// Throws operation_failed if there is none.
model::Cpu describe(const FeatureSet& there, const CpuTable& table, const std::set<std::string>& preferred = {});

/// The processor that all of them can be, or have at most; within `limit` if that is given.
model::Cpu baseline(const std::vector<DescribedCpu>& cpus, const FeatureSet* limit, bool expand, bool migratable,
                    const CpuTable& table);

} // namespace domus::host
