// The guest's processor: model, features, topology, and the NUMA cells of processors and memory.
#pragma once

#include "model/common.hpp"

namespace domus::model {

enum class CpuMode { custom, host_model, host_passthrough, maximum };
enum class CpuMatch { minimum, exact, strict };
enum class CpuCheck { none, partial, full };
enum class CpuFallback { allow, forbid };
enum class FeaturePolicy { force, require, optional, disable, forbid };
enum class CacheMode { emulate, passthrough, disable };
enum class MaxPhysAddrMode { emulate, passthrough };

struct CpuFeature {
    std::optional<FeaturePolicy> policy;
    std::string name;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const CpuFeature&) const = default;
};

struct CpuTopology {
    unsigned sockets = 1;
    std::optional<unsigned> dies, clusters;
    unsigned cores = 1, threads = 1;
    format::Rest rest;

    std::uint64_t product() const;

    static const format::Schema& schema();
    bool operator==(const CpuTopology&) const = default;
};

struct NumaDistance {
    unsigned id = 0, value = 0;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NumaDistance&) const = default;
};

struct NumaCell {
    std::optional<unsigned> id;
    std::optional<std::string> cpus; ///< "0-3,7"
    ByteCount memory;
    std::optional<MemoryAccess> mem_access;
    std::optional<bool> discard;
    std::vector<NumaDistance> distances;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NumaCell&) const = default;
};

struct Cpu {
    std::optional<CpuMode> mode;
    std::optional<CpuMatch> match;
    std::optional<CpuCheck> check;
    std::optional<OnOff> migratable;
    std::optional<std::string> model;
    std::optional<CpuFallback> fallback;
    std::optional<std::string> vendor_id;
    std::optional<std::string> vendor;
    std::optional<CpuTopology> topology;
    std::optional<unsigned> cache_level;
    std::optional<CacheMode> cache_mode;
    std::optional<MaxPhysAddrMode> maxphysaddr_mode;
    std::optional<unsigned> maxphysaddr_bits;
    std::vector<CpuFeature> features;
    std::vector<NumaCell> numa_cells;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Cpu&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::CpuMode> = word_list("custom", "host-model", "host-passthrough", "maximum");
template <> inline constexpr auto words<model::CpuMatch> = word_list("minimum", "exact", "strict");
template <> inline constexpr auto words<model::CpuCheck> = word_list("none", "partial", "full");
template <> inline constexpr auto words<model::CpuFallback> = word_list("allow", "forbid");
template <>
inline constexpr auto words<model::FeaturePolicy> = word_list("force", "require", "optional", "disable", "forbid");
template <> inline constexpr auto words<model::CacheMode> = word_list("emulate", "passthrough", "disable");
template <> inline constexpr auto words<model::MaxPhysAddrMode> = word_list("emulate", "passthrough");
} // namespace domus::format
