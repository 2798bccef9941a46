// Operations on secrets. Who may read a value is decided here: nobody where the definition says private.
#pragma once

#include "base/listeners.hpp"
#include "secret/secrets.hpp"
#include "service/caller.hpp"

#include <string>
#include <vector>

namespace domus::service {

using secret::SecretEvent;
using secret::SecretView;

class SecretOperations {
public:
    explicit SecretOperations(secret::Secrets& secrets) : secrets_(secrets) {}

    /// virConnectListAllSecretsFlags.
    std::vector<SecretView> list(unsigned flags) const;
    /// Throw no_secret.
    SecretView lookup(const Uuid& uuid) const { return secrets_.get(uuid); }
    SecretView lookup_usage(int type, const std::string& id) const;
    std::string xml(const Uuid& uuid, unsigned flags) const;

    /// virSecretDefineFlags.
    Task<SecretView> define(Caller caller, std::string xml, unsigned flags);
    /// Throws what define() would throw for it, and changes nothing.
    void check(const std::string& xml) const { secrets_.check(xml); }
    Task<> undefine(Caller caller, Uuid uuid);
    Task<> set_value(Caller caller, Uuid uuid, Sensitive value, unsigned flags);
    /// Throws invalid_secret for a private one, no_secret where no value was set.
    Task<Sensitive> value(Caller caller, Uuid uuid, unsigned flags);

    Listeners<SecretView, SecretEvent> events;

private:
    secret::Secrets& secrets_;
};

} // namespace domus::service
