// What a kind of pool does with its storage. One file a kind in kinds/, and one word in domus_kinds() of CMakeLists.txt.
// What takes a Site is a coroutine and may block in it or run programs; the rest only looks at definitions.
#pragma once

#include "model/storage.hpp"
#include "storage/kind_info.hpp"
#include "storage/site.hpp"
#include "storage/volume_data.hpp"

#include <sys/types.h>

#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace domus::storage {

using Definition = std::shared_ptr<const model::Pool>;
using VolumePtr = std::shared_ptr<const model::Volume>;

/// What a pool holds at one moment.
struct Contents {
    ByteCount capacity, allocation, available;
    std::vector<model::Volume> volumes;
    std::vector<VolumePtr> unchanged; ///< further ones, which are still as they were known
    /// st_dev of the folder that holds them if looking at it never waits for another machine.
    std::optional<dev_t> local_device{};
    std::optional<model::Permissions> permissions{}; ///< of the folder that holds them
    std::vector<model::SourceDevice> devices;        ///< of the source, where looking tells more than the definition
};

/// What was known of a pool when it is looked at again.
struct Known {
    std::shared_ptr<const std::map<std::string, VolumePtr>> volumes;
    timespec since{}; ///< CLOCK_REALTIME, before they were looked at
};

class Kind;

/// A volume that is copied, and the pool that it is in.
struct Origin {
    VolumePtr volume;
    const Kind* kind;
    Definition pool;
    std::shared_ptr<UniqueFd>
        file{}; ///< opened for reading with the rights of that pool; null for one on a server, and for a device of the pool that gets the copy
    std::optional<Site> reader{}; ///< where a program reads the file, if whose rights count in the other pool may not
};

/// virStoragePoolBuildFlags.
namespace build_flag {
constexpr unsigned repair = 1, resize = 2, no_overwrite = 4, overwrite = 8;
}

/// virStorageVolCreateFlags.
namespace create_flag {
constexpr unsigned preallocate_metadata = 1, reflink = 2, validate = 4;
}

/// virStorageVolDeleteFlags.
namespace delete_flag {
constexpr unsigned with_snapshots = 2;
}

/// virStorageVolResizeFlags.
namespace resize_flag {
constexpr unsigned allocate = 1, delta = 2, shrink = 4;
}

/// Where the disk of a domain finds a volume: the type that it would have without the pool, and its source.
struct Place {
    model::DiskType type;
    model::DiskSource source;
};

/// A folder in which something appears or goes when the pool's volumes change.
struct Watched {
    std::string folder;
    /// Whether an entry is a volume of that name: then only that one is looked at again.
    bool entries_are_volumes = true;
    std::string prefix; ///< of the entries that count
};

class Kind {
public:
    explicit Kind(KindInfo info) : info_(std::move(info)) {}
    virtual ~Kind() = default;
    Kind(const Kind&) = delete;
    Kind& operator=(const Kind&) = delete;

    const KindInfo& info() const { return info_; }
    std::string_view name() const { return info_.name; }
    bool can(Can what) const { return includes(info_.can, what); }

    /// Whether a definition has what this kind needs; throws xml_error. Fills in what follows from the rest.
    virtual void admit(model::Pool& pool) const = 0;
    /// What two pools may not share, for people and for comparison: "folder /images".
    virtual std::string source(const model::Pool& pool) const = 0;
    virtual std::optional<Watched> watched(const model::Pool&) const { return std::nullopt; }

    /// Flags: build_flag. Kinds that have nothing to build succeed.
    virtual Task<> build(Definition pool, unsigned flags, Site site) const;
    /// Makes the storage usable; nothing changes where it is already.
    virtual Task<> start(Definition pool, Site site) const = 0;
    virtual Task<> stop(Definition pool, Site site) const;
    /// Undoes `build`.
    virtual Task<> remove(Definition pool, Site site) const;
    virtual Task<Contents> look(Definition pool, Site site) const = 0;
    /// The same where something is known already, so that only what has changed costs more than to find that out.
    virtual Task<Contents> look_again(Definition pool, Known known, Site site) const;
    /// Whether a volume certainly is as it is known; `device` is `local_device`, `since` that of Known. Never blocks.
    virtual bool surely_unchanged(const model::Volume&, dev_t, const timespec&) const { return false; }
    /// The sizes alone.
    virtual Task<Contents> measure(Definition pool, Site site) const { return look(std::move(pool), std::move(site)); }
    /// Sources that the host or a server offers. `wanted` holds what the caller said of them.
    virtual Task<std::vector<model::PoolSource>> find_sources(model::PoolSource wanted, Site site) const;

    /// Where the file of that volume will be, for kinds whose volumes are files. Throws for names that cannot be.
    virtual std::optional<std::string> file_of(const model::Pool&, const std::string&) const { return std::nullopt; }

    /// What there is under that name now. Throws no_storage_vol.
    virtual Task<model::Volume> look_at(Definition pool, std::string volume, Site site) const;
    /// Flags: virStorageVolDeleteFlags, without ZEROED.
    virtual Task<> remove_volume(Definition pool, VolumePtr volume, unsigned flags, Site site) const;
    /// What fails leaves nothing, and a volume has its name only when it is whole. Flags: virStorageVolCreateFlags.
    virtual Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const;
    /// A copy of another volume's contents; of any pool.
    virtual Task<> copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const;
    /// Overwrites it, by virStorageVolWipeAlgorithm.
    virtual Task<> wipe(Definition pool, VolumePtr volume, unsigned algorithm, Site site) const;
    /// Flags: virStorageVolResizeFlags, without DELTA.
    virtual Task<> resize(Definition pool, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const;

    /// What qemu-img calls a volume on a server; what opens it, the command gets as the object `key`. Throws no_support.
    virtual Task<std::string> image_name(Definition pool, VolumePtr volume, std::string key,
                                         std::shared_ptr<Command> command, Site site) const;
    /// While a program reads from that server: throws if it does not answer and the program would not tell.
    virtual Task<> require_answer(Definition pool, Site site) const;

    /// The bytes of a volume on a server. Throws no_support where only QEMU reaches them.
    virtual Task<std::shared_ptr<VolumeData>> open(Definition pool, VolumePtr volume, Site site) const;

    /// `mode`: what the disk says beside the volume's name. Throws xml_error for one that is not for this kind.
    virtual Place place(const model::Pool& pool, const model::Volume& volume,
                        std::optional<model::VolumeMode> mode) const;

protected:
    /// VIR_ERR_NO_SUPPORT: "storage pool does not support ...".
    [[noreturn]] void unsupported(std::string_view what) const;

private:
    KindInfo info_;
};

/// Null for kinds that this version does not have.
const Kind* find_kind(std::string_view name);
/// In the order of the build's list.
std::span<const Kind* const> all_kinds();
/// The kind whose pools are plain folders of the host: that of the pools that a daemon makes by itself.
const Kind& kind_of_folders();

} // namespace domus::storage
