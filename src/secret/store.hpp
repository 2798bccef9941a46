// Secrets on the disk: UUID.xml, readable and editable, and beside it UUID.value, encrypted with the host's key, which
// lies elsewhere: a copy of the one folder tells nothing without the other. Both are replaced as a whole, so that a
// power cut at any instant leaves the old or the new. Reading never fails as a whole (os/definition_store.hpp). Everything
// here blocks: call it in a lane.
#pragma once

#include "base/sensitive.hpp"
#include "model/secret.hpp"
#include "os/definition_store.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace domus::secret {

struct Folders {
    std::filesystem::path definitions; ///< UUID.xml, UUID.value: /etc/domus/secrets
    std::filesystem::path key;         ///< file with the host's key: /var/lib/domus/secrets/key
};

struct LoadedSecrets {
    std::vector<model::Secret> secrets;
    std::vector<Complaint> complaints; ///< of files that were set aside, or whose value cannot be read
};

class Store {
public:
    explicit Store(Folders folders) : folders_(std::move(folders)), definitions_({folders_.definitions}) {}

    /// Creates the folder that is missing.
    void prepare() const;
    LoadedSecrets load() const;
    /// `fresh`: it was not on the disk yet. Throws xml_error for one that load() would not read, operation_failed if a
    /// file is in the way that cannot be read.
    void save(const model::Secret& secret, bool fresh) const;
    /// Definition first; load() removes a value that a cut has left without one.
    void remove(Uuid uuid) const;

    /// Makes the key if there is none yet.
    void save_value(Uuid uuid, const Sensitive& value) const;
    /// Nothing where there is no value. Throws operation_failed, naming the file, for one that cannot be decrypted.
    std::optional<Sensitive> read_value(Uuid uuid) const;

private:
    std::filesystem::path value_path(Uuid uuid) const;
    bool has_values() const;
    void remove_lone_values() const;
    Sensitive read_key() const;
    Sensitive make_key() const;

    Folders folders_;
    DefinitionStore definitions_;
};

} // namespace domus::secret
