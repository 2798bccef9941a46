// Secrets: what they are for, and their values for those parts of the daemon that need them. A value is decrypted when
// somebody asks and forgotten after; only those of ephemeral secrets stay in memory, since they are nowhere else.
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "secret/store.hpp"

#include <functional>
#include <map>
#include <memory>

namespace domus::secret {

enum class SecretEvent { defined, undefined, value_changed };

/// What readers see; immutable.
struct SecretView {
    Uuid uuid;
    std::shared_ptr<const model::Secret> definition;
};

class Secrets {
public:
    using Emit = std::function<void(const SecretView&, SecretEvent)>;

    Secrets(Executor executor, Folders folders, Emit emit);

    /// Reads definitions; what is wrong with them goes to the log.
    Task<> load();

    std::vector<SecretView> list() const;
    /// Throw no_secret.
    SecretView get(Uuid uuid) const;
    SecretView get_usage(model::SecretUsageType type, const std::string& id) const;
    /// As a device of a domain or a volume names it.
    SecretView get(const model::SecretReference& reference) const;

    /// Throws internal_error where another has that use or the secret is known for another, operation_denied where a
    /// private one would be private no more.
    Task<SecretView> define(std::string xml, bool strictly);
    /// Throws what define() would throw for it, and changes nothing.
    void check(const std::string& xml) const;
    Task<> undefine(Uuid uuid);
    Task<> set_value(Uuid uuid, Sensitive value);
    /// Of a private one too: who may see it is the caller's business. Throws no_secret where there is none.
    Task<Sensitive> value(Uuid uuid);

private:
    struct Entry {
        std::shared_ptr<const model::Secret> definition;
        std::optional<Sensitive> value; ///< of ephemeral ones
    };

    const Entry& find(Uuid uuid) const;
    void admit(model::Secret& wanted) const;
    Task<std::optional<Sensitive>> stored_value(Uuid uuid);
    Task<> store(std::shared_ptr<const model::Secret> wanted, Entry before);

    std::shared_ptr<const Store> store_;
    Emit emit_;
    Lane files_;
    Mailbox jobs_;
    std::map<Uuid, Entry> secrets_;
};

} // namespace domus::secret
