// Which features each CPU model has, as QEMU itself says (query-cpu-model-expansion of qapi/machine-target.json), under
// the names that libvirt's XML uses.
#pragma once

#include <boost/json/object.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace domus::engine {

using FeatureSet = std::set<std::string>;

class CpuTable {
public:
    /// `props`: the properties of a model's full expansion.
    void add(const std::string& model, const boost::json::object& props);

    const std::map<std::string, FeatureSet>& models() const { return models_; }
    /// Null for a model that QEMU does not have.
    const FeatureSet* find(const std::string& model) const;
    /// The name of a feature, however it is spelled: "sse4.1" for "sse4_1", "pni" for "sse3"; nothing for what is none.
    std::optional<std::string> feature(std::string_view spelling) const;
    /// What QEMU can give a guest on this host with the accelerator that it was asked with.
    const FeatureSet& most() const;

private:
    std::map<std::string, FeatureSet> models_;
    std::map<std::string, std::string> names_; ///< by spelling without separators
};

} // namespace domus::engine
