// What a kind of pool does with its storage. One file a kind in kinds/; the names of the kinds stand in kind.cpp alone.
// Everything here blocks and is called in a lane of the pool, but for what says that it is a coroutine.
#pragma once

#include "async/task.hpp"
#include "model/storage.hpp"
#include "os/unique_fd.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::storage {

/// What a pool holds at one moment.
struct Contents {
    ByteCount capacity, allocation, available;
    std::vector<model::Volume> volumes;
};

class Kind {
public:
    virtual ~Kind() = default;
    virtual std::string_view name() const = 0;

    /// Whether a definition has what this kind needs; throws xml_error. Fills in what follows from the rest.
    virtual void admit(model::Pool& pool) const = 0;
    /// What two pools may not share, for people and for comparison: "folder /images".
    virtual std::string source(const model::Pool& pool) const = 0;

    /// Flags: virStoragePoolBuildFlags.
    virtual void build(const model::Pool& pool, unsigned flags) const = 0;
    virtual void start(const model::Pool& pool) const = 0;
    virtual void stop(const model::Pool& pool) const = 0;
    /// Undoes `build`.
    virtual void remove(const model::Pool& pool) const = 0;
    virtual Contents look(const model::Pool& pool) const = 0;

    /// Where a volume of that name lies. Throws for names that cannot be.
    virtual std::string path_of(const model::Pool& pool, const std::string& volume) const = 0;
    /// What there is at the volume's path now. Throws no_storage_vol.
    virtual model::Volume look_at(const model::Pool& pool, const std::string& volume) const = 0;
    virtual void remove_volume(const model::Pool& pool, const model::Volume& volume) const = 0;

    /// Coroutines, since they run other programs for as long as it takes. What fails leaves nothing, and a volume has
    /// its name only when it is whole. `blocking` runs work in the pool's lane.
    using Blocking = std::function<Task<>(std::function<void()>)>;
    virtual Task<> create(const model::Pool& pool, model::Volume wanted, Blocking blocking) const = 0;
    /// A copy of another volume's contents; of any pool. Flags: virStorageVolCreateFlags.
    virtual Task<> copy(const model::Pool& pool, model::Volume wanted, model::Volume from, Blocking blocking) const = 0;
    /// Flags: virStorageVolResizeFlags, without DELTA.
    virtual Task<> resize(const model::Pool& pool, model::Volume volume, ByteCount capacity, unsigned flags,
                          Blocking blocking) const = 0;
};

/// Null for kinds that this version does not have.
const Kind* find_kind(std::string_view name);
std::vector<const Kind*> all_kinds();

// The kinds.
const Kind& directory_kind();

} // namespace domus::storage
