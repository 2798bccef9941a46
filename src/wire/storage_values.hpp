// How pools and volumes are named on the wire.
#pragma once

#include "storage/pools.hpp"
#include "wire/protocol.hpp"

namespace domus::wire {

inline StoragePool to_wire(const storage::PoolRef& ref) {
    StoragePool pool;
    pool.name = ref.name;
    pool.uuid = ref.uuid;
    return pool;
}

inline StorageVol to_wire(const std::string& pool, const model::Volume& volume) {
    StorageVol out;
    out.pool = pool;
    out.name = volume.name;
    out.key = volume.key.value_or("");
    return out;
}

inline storage::PoolRef from_wire(StoragePool pool) { return {std::move(pool.name), pool.uuid}; }
inline storage::VolumeRef from_wire(StorageVol volume) {
    return {std::move(volume.pool), std::move(volume.name), std::move(volume.key)};
}

} // namespace domus::wire
