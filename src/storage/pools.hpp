// Storage pools: definitions on disk, the volumes of those that are active, and the work on them. Each pool has a queue
// of jobs and a lane of its own, so that a file system that hangs holds up its own pool and no other; listings and
// looks read what the last change published. What a kind of pool does stands in kinds/.
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "model/storage.hpp"
#include "os/definition_store.hpp"
#include "os/unique_fd.hpp"
#include "storage/kind.hpp"
#include "storage/look_order.hpp"
#include "storage/pool_places.hpp"

#include <filesystem>
#include <map>
#include <set>

namespace domus::storage {

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml: /etc/domus/storage
    std::filesystem::path autostart;
    std::filesystem::path state;   ///< NAME.xml of those that are active: /run/domus/storage
    std::filesystem::path locks{}; ///< files that stand for images on servers: /run/domus/network-images
    std::filesystem::path
        library{}; ///< of the pool "default", which lies in its folder images: /var/lib/domus. Empty: none is made
    std::filesystem::path
        boot{}; ///< of the pool "boot-scratch", where virt-install puts what it boots: /var/lib/libvirt/boot. Empty: none is made
};

/// virStoragePoolEventLifecycleType; `refreshed` is an event of its own.
enum class PoolEvent : int { defined, undefined, started, stopped, created, deleted, refreshed };

struct PoolRef {
    std::string name;
    Uuid uuid;
    bool operator==(const PoolRef&) const = default;
};

using VolumeMap = std::map<std::string, VolumePtr>;

/// What readers see; immutable.
struct PoolView {
    PoolRef ref;
    bool active = false, autostart = false, persistent = false;
    std::shared_ptr<const model::Pool> live, definition; ///< live has the sizes
    std::shared_ptr<const VolumeMap> volumes;            ///< by name; null while inactive
    const model::Pool& current() const { return live ? *live : *definition; }
};

/// A volume as calls name it.
struct VolumeRef {
    std::string pool, name, key;
};

class Pools {
public:
    /// `secrets` has the passphrases of encrypted volumes.
    Pools(Executor executor, Folders folders, Site::Secrets secrets,
          std::function<void(const PoolView&, PoolEvent)> emit);
    ~Pools();

    /// Reads definitions, defines the pools "default" and "boot-scratch" on a host that never had them, and begins to activate the pools that
    /// a former daemon left active; does not wait for their storage.
    Task<> load();
    /// Returns when the pools with autostart are active or have failed, and after 30 s while storage does not answer.
    Task<> autostart();

    std::vector<PoolView> list() const;
    /// Throw no_storage_pool.
    PoolView get(const PoolRef& ref) const;
    PoolView get_name(const std::string& name) const;
    /// Of active pools; throw no_storage_vol.
    std::pair<PoolRef, VolumePtr> find_key(const std::string& key) const;
    std::pair<PoolRef, VolumePtr> find_path(const std::string& path) const;
    /// For the disk of a domain. Throws no_storage_pool, no_storage_vol, config_unsupported while the pool is inactive.
    Task<Place> place(std::string pool, std::string name, std::optional<model::VolumeMode> mode);
    /// Throws operation_invalid while the pool is inactive, no_storage_vol.
    VolumePtr volume(const std::string& pool, const std::string& name) const;
    VolumePtr volume(const VolumeRef& ref) const { return volume(ref.pool, ref.name); }
    /// The same, but also one that is being made, where it can be told how far that is: it can be looked at and nothing else.
    VolumePtr volume_or_made(const VolumeRef& ref) const;

    PoolPlaces places() const;
    /// Who may have pools of the host's devices and mounts, beside root.
    void set_device_users(Granted users) { device_users_ = std::move(users); }
    /// Tells whether guests only boot from a file or read it as a medium: it may be deleted while they do.
    using BootMedium = std::function<bool(const std::string& path)>;
    void set_boot_medium(BootMedium asked) { boot_medium_ = std::move(asked); }

    /// `strictly`: throws xml_invalid_schema for what no table knows. A pool of one who is not root acts with that user's
    /// rights, whoever uses it.
    Task<PoolView> define(std::string xml, bool strictly = false, Credentials who = own_credentials());
    /// Throws what define() would throw for it, and changes nothing.
    void check(const std::string& xml) const;
    /// One that is not kept. Flags: virStoragePoolCreateFlags.
    Task<PoolView> create(std::string xml, unsigned flags, Credentials who = own_credentials());
    Task<> undefine(PoolRef ref);
    Task<> start(PoolRef ref, unsigned flags, Credentials who = own_credentials());
    Task<> stop(PoolRef ref);
    Task<> build(PoolRef ref, unsigned flags, Credentials who, ProgressPtr progress);
    Task<> remove(PoolRef ref, Credentials who = own_credentials());
    Task<> refresh(PoolRef ref);
    Task<> set_autostart(PoolRef ref, bool on);

    /// Takes in what has changed in the pool's storage behind our back. Costs nothing where nothing did, and no more than
    /// a moment where the storage does not answer: then what was known stays.
    Task<> freshen(std::string pool);
    Task<> freshen_all();
    /// Sources that could be pools of that type. `xml` is a <source>, or empty.
    Task<std::vector<model::PoolSource>> find_sources(std::string type, std::string xml);

    // Work whose length is that of the data reports to `progress`, and throws operation_aborted when that is cancelled: a
    // volume in the making has gone then, one that is made larger is as it was.

    /// Flags: virStorageVolCreateFlags. Files that an image names are opened only if `who` could use them.
    Task<VolumePtr> create_volume(std::string pool, std::string xml, unsigned flags, Credentials who,
                                  ProgressPtr progress);
    Task<VolumePtr> copy_volume(std::string pool, std::string xml, VolumeRef from, unsigned flags, Credentials who,
                                ProgressPtr progress);
    /// Flags: virStorageVolDeleteFlags.
    Task<> remove_volume(VolumeRef ref, unsigned flags);
    /// Flags: virStorageVolResizeFlags.
    Task<> resize_volume(VolumeRef ref, ByteCount capacity, unsigned flags, Credentials who, ProgressPtr progress);
    /// Overwrites it, by virStorageVolWipeAlgorithm; it keeps its size. One that is cancelled is overwritten in part.
    Task<> wipe_volume(VolumeRef ref, unsigned algorithm, ProgressPtr progress);
    /// As it is on disk now; of one that is being made, with the space that it has so far.
    Task<VolumePtr> look(VolumeRef ref);
    /// Its bytes, for a transfer; and work on them in the pool's lane.
    Task<std::shared_ptr<VolumeData>> open_volume(VolumeRef ref, bool write);
    Lane& lane(const std::string& pool);
    /// After a transfer has changed it. Nothing is done, nor thrown, if it or its pool has gone.
    Task<> settle(VolumeRef ref);

private:
    struct Pool;
    using PoolPtr = std::shared_ptr<Pool>;

    PoolPtr find(const PoolRef& ref) const;
    PoolPtr find_active(const std::string& name) const;
    PoolView view(const Pool& pool) const;
    void require_own_source(const model::Pool& wanted) const;
    Task<model::Pool> read(std::string xml, format::Reading how);
    static Task<model::Volume> read_volume(PoolPtr pool, std::string xml, unsigned flags, bool copy);
    const Kind& judge(model::Pool& wanted) const;
    PoolPtr admit(model::Pool wanted, std::optional<Credentials> owner);
    std::optional<Credentials> owner_for(std::string_view type, const Credentials& who) const;
    Site site_for(const PoolPtr& pool, Deadline by, const Credentials& who) const;
    static void require_same_kind(const Pool& pool, const Kind& kind);
    Task<PoolView> create_as(model::Pool wanted, unsigned flags, Credentials who);
    /// With virStoragePoolCreateFlags.
    Task<> activate(PoolPtr pool, Definition as, std::optional<Credentials> acting, unsigned flags, Credentials who);
    Task<Turn> enter(PoolPtr pool, std::string job);
    Task<std::optional<Turn>> enter_named(std::string name, std::string job);
    /// A pool that a fresh host has.
    struct First {
        std::string name;
        std::filesystem::path folder;
        std::filesystem::path mark() const { return "storage/" + name + "-was-made"; }
    };
    static std::vector<First> first_pools(const Folders& folders);
    Task<> define_first(First first);
    Task<> take_over(model::Pool active, std::optional<Credentials> owner);
    Definition judge_record(model::Pool active, std::string& fault) const;
    Task<> set_record_aside(std::string name, std::string fault);
    /// False: it is active already.
    Task<bool> start_if_stopped(PoolRef ref, unsigned flags, Credentials who);
    Task<> look_again(PoolPtr pool, Deadline by);
    Task<VolumePtr> look_at(PoolPtr pool, std::string name, Deadline by);
    Task<> take_in(PoolPtr pool, Deadline by);
    Task<> take_changes(PoolPtr pool, std::set<std::string> names, Deadline by);
    Task<> measure(PoolPtr pool, Deadline by);
    Task<VolumePtr> settle_new(PoolPtr pool, std::string name, std::optional<model::Encryption> encryption = {});
    static void require_absent(const Pool& pool, const std::string& name);
    static void require_idle(const Pool& pool);
    static VolumePtr made_in(const Pool& pool, const model::Volume& wanted);
    static Task<VolumePtr> look_at_made(PoolPtr pool, VolumePtr made);
    static void publish_sizes(Pool& pool, const LookOrder::Look& look, const Contents& contents);
    static void publish_volume(Pool& pool, const LookOrder::Look& look, const std::string& name, VolumePtr volume);
    static bool publish_listing(Pool& pool, const LookOrder::Look& look, Contents contents);
    Task<> save_record(PoolPtr pool);
    Task<> forget_record(std::string name);

    struct Autostart;
    Task<> autostart_one(std::shared_ptr<Autostart> all, PoolRef ref);

    Executor executor_;
    Folders folders_;
    DefinitionStore definitions_;
    Site::Secrets secrets_;
    Granted device_users_;
    BootMedium boot_medium_;
    std::function<void(const PoolView&, PoolEvent)> emit_;
    Lane files_;
    std::map<std::string, PoolPtr> pools_;
};

} // namespace domus::storage
