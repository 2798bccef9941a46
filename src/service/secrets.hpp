// Operations on secrets. Nobody may read the value of one whose definition says private.
#pragma once

#include "base/listeners.hpp"
#include "secret/secrets.hpp"
#include "service/objects.hpp"
#include "service/secret_flags.hpp"

#include <string>
#include <vector>

namespace domus::service {

using secret::SecretEvent;
using secret::SecretView;

/// A secret as calls name it.
struct SecretRef {
    Uuid uuid;
};
inline Object object_of(const SecretRef& ref) { return {"secret", ref.uuid.text(), ref.uuid}; }

class SecretOperations {
public:
    explicit SecretOperations(secret::Secrets& secrets) : secrets_(secrets) {}

    std::vector<SecretView> list(Flags<SecretListFlag> flags) const;
    /// Throw no_secret.
    SecretView lookup(const SecretRef& ref) const { return secrets_.get(ref.uuid); }
    /// `type`: virSecretUsageType.
    SecretView lookup_usage(int type, const std::string& id) const;
    std::string xml(const SecretRef& ref) const;

    Task<SecretView> define(std::string xml, Flags<SecretDefineFlag> flags);
    Task<> undefine(SecretRef ref);
    Task<> set_value(SecretRef ref, Sensitive value);
    /// Throws invalid_secret for a private one, no_secret where no value was set.
    Task<Sensitive> value(SecretRef ref);

    Listeners<SecretView, SecretEvent> events;

private:
    secret::Secrets& secrets_;
};

} // namespace domus::service
