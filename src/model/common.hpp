// Small parts that several devices share.
#pragma once

#include "format/schema.hpp"

namespace domus::model {

using format::OnOff;

/// Why devices other than interfaces and those of the host have no <acpi index=>.
inline constexpr std::string_view acpi_index_unsupported =
    "only interfaces and devices of the host get a number for stable names";

/// Queue options of every virtio device.
struct VirtioDriver {
    std::optional<OnOff> iommu, ats, packed, page_per_vq;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VirtioDriver&) const = default;
};

enum class MemoryAccess { shared, private_ };
enum class SecretType { passphrase, ceph, iscsi, volume, tls, vtpm };

/// A secret that is kept elsewhere, by its UUID or by what it is used for.
struct SecretReference {
    std::optional<SecretType> type;
    std::optional<Uuid> uuid;
    std::optional<std::string> usage;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SecretReference&) const = default;
};

/// The name and secret with which a storage server is entered.
struct Auth {
    std::optional<std::string> username;
    SecretReference secret;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Auth&) const = default;
};

enum class EncryptionFormat { default_, qcow, luks, luks2 };
enum class EncryptionEngine { qemu, librbd };

struct Encryption {
    std::optional<EncryptionFormat> format;
    std::optional<EncryptionEngine> engine;
    std::vector<SecretReference> secrets;
    std::optional<std::string> cipher_name, cipher_mode, cipher_hash;
    std::optional<unsigned> cipher_size;
    std::optional<std::string> ivgen_name, ivgen_hash;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Encryption&) const = default;
};

struct Reconnect {
    std::optional<bool> enabled;
    std::optional<unsigned> timeout; ///< seconds
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Reconnect&) const = default;
};

enum class SeclabelType { dynamic, static_, none };

/// How a security driver labels the domain (below <domain>) or one device's source.
struct Seclabel {
    std::optional<SeclabelType> type;
    std::optional<std::string> model;
    std::optional<bool> relabel, labelskip;
    std::optional<std::string> label, imagelabel, baselabel;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Seclabel&) const = default;
};

/// The option ROM that the firmware runs for a PCI device.
struct Rom {
    std::optional<bool> enabled;
    std::optional<OnOff> bar;
    std::optional<std::string> file;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Rom&) const = default;
};

enum class TeamingType { persistent, transient };

/// Pairs a virtio interface with an assigned one that takes over while it is present.
struct Teaming {
    TeamingType type = TeamingType::persistent;
    std::optional<std::string> persistent; ///< alias of the virtio one
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Teaming&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::MemoryAccess> = word_list("shared", "private");
template <>
inline constexpr auto words<model::SecretType> = word_list("passphrase", "ceph", "iscsi", "volume", "tls", "vtpm");
template <> inline constexpr auto words<model::EncryptionFormat> = word_list("default", "qcow", "luks", "luks2");
template <> inline constexpr auto words<model::EncryptionEngine> = word_list("qemu", "librbd");
template <> inline constexpr auto words<model::SeclabelType> = word_list("dynamic", "static", "none");
template <> inline constexpr auto words<model::TeamingType> = word_list("persistent", "transient");
} // namespace domus::format
