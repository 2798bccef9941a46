#include "model/secret.hpp"

#include "model/checks.hpp"

#include <array>

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::required;
using format::Schema;

namespace {

/// Which element names the use of each type.
struct UsageKind {
    SecretUsageType type;
    std::string_view element;
    std::optional<std::string> SecretUsage::* id;
};
constexpr std::array<UsageKind, 5> usage_kinds{{
    {SecretUsageType::volume, "volume", &SecretUsage::volume},
    {SecretUsageType::ceph, "name", &SecretUsage::name},
    {SecretUsageType::iscsi, "target", &SecretUsage::target},
    {SecretUsageType::tls, "name", &SecretUsage::name},
    {SecretUsageType::vtpm, "name", &SecretUsage::name},
}};

const UsageKind* kind_of(SecretUsageType type) {
    const auto found = std::ranges::find(usage_kinds, type, &UsageKind::type);
    return found == usage_kinds.end() ? nullptr : &*found;
}

} // namespace

const Schema& SecretUsage::schema() {
    static const Schema table =
        Describe<SecretUsage>("usage", "What the secret opens. Others can name it by this instead of by its UUID.")
            .field("@type", &SecretUsage::type, "what kind of thing", required)
            .field("volume", &SecretUsage::volume, "volume: path of the encrypted volume")
            .field("name", &SecretUsage::name, "ceph, tls, vtpm: a name of your own for it")
            .field("target", &SecretUsage::target, "iscsi: a name of your own for the target");
    return table;
}

const Schema& Secret::schema() {
    static const Schema table =
        Describe<Secret>("secret", "A passphrase or key that the daemon keeps. Its value is set by itself, and is "
                                   "encrypted on the disk.")
            .field("@ephemeral", &Secret::ephemeral, "whether it is only in memory, and gone with the daemon",
                   empty_is_absent)
            .field("@private", &Secret::private_, "whether no client may read its value, only the daemon use it",
                   empty_is_absent)
            .field("uuid", &Secret::uuid, "its identity; made at definition")
            .field("description", &Secret::description, "for people")
            .field("usage", &Secret::usage);
    return table;
}

std::string SecretUsage::id() const {
    const auto* kind = kind_of(type);
    return kind ? (this->*kind->id).value_or("") : std::string();
}

void check(const Secret& secret, format::Findings& findings) {
    checks::Report report(findings);
    const auto* kind = kind_of(secret.usage_type());
    if (kind && secret.usage_id().empty())
        report.add(secret.usage->rest, "the <usage> of type '{}' needs a <{}>", format::word(kind->type),
                   kind->element);
}

void check_strictly(const Secret& secret, format::Findings& findings) {
    checks::Report report(findings);
    if (!secret.usage) return;
    const auto* kind = kind_of(secret.usage->type);
    for (const auto& other : usage_kinds)
        if (secret.usage.value().*other.id && (!kind || kind->id != other.id)) {
            report.add(secret.usage->rest, "a <usage> of type '{}' has no <{}>", format::word(secret.usage->type),
                       other.element);
            return;
        }
}

SecretUsageType usage_meant(const std::optional<SecretType>& type) {
    switch (type.value_or(SecretType::passphrase)) {
    case SecretType::ceph:
        return SecretUsageType::ceph;
    case SecretType::iscsi:
        return SecretUsageType::iscsi;
    case SecretType::tls:
        return SecretUsageType::tls;
    case SecretType::vtpm:
        return SecretUsageType::vtpm;
    case SecretType::passphrase:
    case SecretType::volume:
        break;
    }
    return SecretUsageType::volume;
}

} // namespace domus::model
