// Operations on secrets. Who may read a value is decided here: nobody where the definition says private.
#pragma once

#include "secret/secrets.hpp"
#include "service/caller.hpp"

#include <functional>
#include <map>
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
    Task<> undefine(Caller caller, Uuid uuid);
    Task<> set_value(Caller caller, Uuid uuid, Sensitive value, unsigned flags);
    /// Throws invalid_secret for a private one, no_secret where no value was set.
    Task<Sensitive> value(Caller caller, Uuid uuid, unsigned flags);

    using Listener = std::function<void(const SecretView&, SecretEvent)>;
    std::uint64_t listen(Listener listener);
    void forget(std::uint64_t handle) { listeners_.erase(handle); }
    void emit(const SecretView& view, SecretEvent event);

private:
    secret::Secrets& secrets_;
    std::map<std::uint64_t, Listener> listeners_;
    std::uint64_t next_ = 1;
};

} // namespace domus::service
