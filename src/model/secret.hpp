// A secret: what it is for and who may see it; its value is never part of a document.
#pragma once

#include "format/xml.hpp"
#include "model/common.hpp"

namespace domus::model {

/// virSecretUsageType.
enum class SecretUsageType { none, volume, ceph, iscsi, tls, vtpm };

struct SecretUsage {
    SecretUsageType type = SecretUsageType::none;
    std::optional<std::string> volume; ///< volume: its path
    std::optional<std::string> name;   ///< ceph, tls, vtpm
    std::optional<std::string> target; ///< iscsi
    format::Rest rest;

    /// The one that counts for the type; empty where there is none.
    std::string id() const;

    static const format::Schema& schema();
    bool operator==(const SecretUsage&) const = default;
};

struct Secret {
    bool ephemeral = false; ///< never on the disk
    bool private_ = false;  ///< no client gets its value back
    std::optional<Uuid> uuid;
    std::optional<std::string> description;
    std::optional<SecretUsage> usage; ///< none: by its UUID alone
    format::Rest rest;

    SecretUsageType usage_type() const { return usage ? usage->type : SecretUsageType::none; }
    std::string usage_id() const { return usage ? usage->id() : std::string(); }

    static const format::Schema& schema();
    bool operator==(const Secret&) const = default;
};

/// Rules over several fields; adds each breach with its line and what to do.
void check(const Secret& secret, format::Findings& findings);
/// What has no meaning beside the use's type, for those who asked that a definition be validated.
void check_strictly(const Secret& secret, format::Findings& findings);

/// How others name secrets for that use: a disk's <secret type='passphrase'> means one of a volume.
SecretUsageType usage_meant(const std::optional<SecretType>& type);

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::SecretUsageType> = word_list("none", "volume", "ceph", "iscsi", "tls", "vtpm");
} // namespace domus::format
