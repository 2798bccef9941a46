// The persistent definition of a domain, kept as small as 5,000 of them on one host ask for: the canonical XML, and
// what little listings and statistics want of it without parsing it.
#pragma once

#include "base/bytes.hpp"
#include "os/credentials.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::model {
struct Domain;
}
namespace domus::format {
enum class Reading;
}

namespace domus::compute {

struct DiskSummary {
    std::string target; ///< "vda"
    std::string source; ///< path, or empty
    std::string format; ///< of the source: "raw" where the definition names none
};

struct Summary {
    ByteCount memory; ///< now, or at boot
    ByteCount maximum_memory;
    std::uint32_t vcpus = 1;
    std::uint32_t maximum_vcpus = 1;
    bool has_secrets = false; ///< the XML holds passwords
    std::string title;
    std::vector<DiskSummary> disks;
    std::vector<std::string> interfaces; ///< host-side names, where given
};

Summary summarize(const model::Domain& domain);

struct Definition {
    std::string xml; ///< canonical, inactive, with secrets
    Summary summary;
    std::optional<Credentials> definer; ///< who named what is in it, where that was not root
    /// As it is kept on disk.
    std::string text() const { return xml + owner_mark(definer); }
};
using DefinitionPtr = std::shared_ptr<const Definition>;

/// Throws xml_error with all that is wrong in it.
void require_sound(const model::Domain& domain);
/// A definition as a user gives it, read and checked.
model::Domain read_domain(const std::string& xml, format::Reading how);
DefinitionPtr make_definition(const model::Domain& domain, std::optional<Credentials> definer = std::nullopt);
/// The model behind a definition; its XML was written by us, so that this does not fail.
model::Domain parse_definition(const Definition& definition);

} // namespace domus::compute
