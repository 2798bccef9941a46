// What operations are about, for rights and for the audit: a kind and a name.
#pragma once

#include "base/uuid.hpp"
#include "compute/domain/status.hpp"
#include "network/networks.hpp"
#include "secret/secrets.hpp"
#include "storage/pools.hpp"

#include <concepts>
#include <string>
#include <string_view>

namespace domus::service {

struct Object {
    std::string_view kind; ///< "domain"
    std::string name;
    Uuid uuid;
};

struct JobRef {
    std::uint64_t id = 0; ///< never that of another job
};

inline Object object_of(const JobRef& ref) { return {"job", std::to_string(ref.id), {}}; }
inline Object object_of(const compute::DomainRef& ref) { return {"domain", ref.name, ref.uuid}; }
inline Object object_of(const network::NetworkView& view) { return {"network", view.name, view.uuid}; }
inline Object object_of(const storage::PoolRef& ref) { return {"pool", ref.name, ref.uuid}; }
inline Object object_of(const storage::PoolView& view) { return object_of(view.ref); }
inline Object object_of(const storage::VolumeRef& ref) { return {"volume", ref.pool + "/" + ref.name, {}}; }
inline Object object_of(const secret::SecretView& view) { return {"secret", view.uuid.text(), view.uuid}; }

template <class T>
concept NamesObject = requires(const T& value) {
    { object_of(value) } -> std::same_as<Object>;
};

} // namespace domus::service
