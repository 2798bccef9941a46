#include "engine/cpu_table.hpp"

#include <algorithm>
#include <array>

namespace domus::engine {

namespace {

/// Switches of QEMU's CPU objects that are no features of a processor.
constexpr std::array<std::string_view, 20> switches{"check",
                                                    "enforce",
                                                    "cpuid-0xb",
                                                    "fill-mtrr-mask",
                                                    "full-cpuid-auto-level",
                                                    "host-cache-info",
                                                    "host-phys-bits",
                                                    "l3-cache",
                                                    "legacy-cache",
                                                    "lmce",
                                                    "migratable",
                                                    "pmu",
                                                    "tcg-cpuid",
                                                    "vmware-cpuid-freq",
                                                    "hotplugged",
                                                    "hotpluggable",
                                                    "realized",
                                                    "start-powered-off",
                                                    "kvm",
                                                    "hypervisor"};
constexpr std::array<std::string_view, 6> switch_prefixes{"x-", "hv-", "kvm-", "kvm_", "xen-", "unavailable"};

/// Second names, without separators, of QEMU's and of Linux's (/proc/cpuinfo).
struct Synonym {
    std::string_view other, name;
};
constexpr std::array<Synonym, 8> synonyms{{{"sse3", "pni"},
                                           {"i64", "lm"},
                                           {"xd", "nx"},
                                           {"ffxsr", "fxsropt"},
                                           {"pclmuldq", "pclmulqdq"},
                                           {"tscdeadlinetimer", "tscdeadline"},
                                           {"dts", "ds"},
                                           {"cr8legacy", "cr8legacy"}}};

bool is_switch(std::string_view name) {
    return std::ranges::find(switches, name) != switches.end()
           || std::ranges::any_of(switch_prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

std::string key_of(std::string_view spelling) {
    std::string key;
    for (const char c : spelling)
        if (c != '-' && c != '_' && c != '.') key += c;
    for (const auto& synonym : synonyms)
        if (key == synonym.other) return std::string(synonym.name);
    return key;
}

/// QEMU keeps the names that libvirt uses as aliases of its own: those with a dot or an underscore.
int rank(std::string_view name) { return name.find('.') != name.npos ? 2 : name.find('_') != name.npos ? 1 : 0; }

} // namespace

void CpuTable::add(const std::string& model, const boost::json::object& props) {
    auto& features = models_[model];
    std::set<std::string> keys;
    for (const auto& [name, value] : props) {
        if (!value.is_bool() || is_switch(name)) continue;
        auto key = key_of(name);
        const bool own = std::ranges::none_of(synonyms, [&](const Synonym& each) {
            return each.other != each.name && std::string_view(name) == each.other;
        });
        auto& chosen = names_[key];
        if (name == "pclmulqdq")
            chosen = "pclmuldq"; // libvirt's name, which QEMU does not know
        else if (own && (chosen.empty() || rank(name) > rank(chosen)))
            chosen = name;
        if (value.get_bool()) keys.insert(std::move(key));
    }
    for (const auto& key : keys)
        if (const auto& name = names_[key]; !name.empty()) features.insert(name);
}

const FeatureSet* CpuTable::find(const std::string& model) const {
    const auto found = models_.find(model);
    return found == models_.end() ? nullptr : &found->second;
}

std::optional<std::string> CpuTable::feature(std::string_view spelling) const {
    const auto found = names_.find(key_of(spelling));
    if (found == names_.end() || found->second.empty()) return std::nullopt;
    return found->second;
}

const FeatureSet& CpuTable::most() const {
    static const FeatureSet nothing;
    const auto* found = find("max");
    return found ? *found : nothing;
}

} // namespace domus::engine
