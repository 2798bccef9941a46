// Pool type 'zfs': a dataset of ZFS, which is mostly a whole zpool, and the volumes right below it, by zfs(8) and zpool(8).
// Their devices appear below /dev/zvol. A zpool is neither imported at a start nor exported at a stop: others live in it.
#include "os/host_name.hpp"
#include "storage/block_volume.hpp"
#include "storage/volume_file.hpp"
#include "storage/zfs_listing.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace domus::storage {

namespace {

using namespace std::chrono_literals;

using Arguments = std::vector<std::string>;

std::string dataset_of(const model::Pool& pool) { return *pool.source.name; }
std::string full_name(const model::Pool& pool, std::string_view volume) {
    return fmt::format("{}/{}", dataset_of(pool), volume);
}
bool is_whole(const model::Pool& pool) { return dataset_of(pool).find('/') == std::string::npos; }

/// udev's link to the device of a volume; it writes "+" for a blank.
std::string link_of(const model::Pool& pool, const std::string& volume) {
    auto path = fmt::format("{}/{}", *pool.target, volume);
    std::ranges::replace(path, ' ', '+');
    return path;
}

/// zpool(8): how the devices behind it are put together, or what they are for.
bool is_grouping(std::string_view word) {
    constexpr std::array<std::string_view, 10> words{"mirror", "raidz", "raidz1", "raidz2",  "raidz3",
                                                     "spare",  "log",   "cache",  "special", "dedup"};
    return std::ranges::find(words, word) != words.end();
}

Error absent(const std::string& volume) {
    return Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                 fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume));
}

constexpr std::string_view setup = R"(The packages are of Debian's component contrib; the kernel's part is zfs-dkms.

    domus pool-define-as tank zfs --source-name tank/guests
    domus pool-build tank && domus pool-start tank    # build: where the dataset does not exist yet

With `--source-dev`, or several `<device path='...'/>` among which zpool(8)'s words may stand (`mirror`, `raidz`, `log`, ...),
`pool-build` makes the whole zpool. Space is reserved for a volume unless it is made with a smaller `--allocation`. A start
imports no zpool, and a stop exports none: others may use it.
)";

class Zfs final : public Kind {
public:
    Zfs()
        : Kind({
              .name = "zfs",
              .about = "a dataset of ZFS, mostly a whole zpool, and the volumes right below it",
              .usage = setup,
              .can = abilities_of<Kind, Zfs>(),
              .needs = {{"zfs", {"zfsutils-linux", "contrib"}}, {"zpool", {"zfsutils-linux", "contrib"}}},
              .device_tells_all = false, // what a volume takes grows as it is written to
          }) {}
    std::optional<Watched> watched(const model::Pool& pool) const override { return Watched{*pool.target, false, {}}; }

    void admit(model::Pool& pool) const override {
        if (!pool.source.name) pool.source.name = pool.name;
        if (!is_zfs_dataset(*pool.source.name))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: '{}' cannot be the name of a ZFS pool or dataset", *pool.source.name))
                .hint("write <source><name>tank</name></source>, or tank/guests for a dataset; see 'zfs list'");
        for (const auto& device : pool.source.devices)
            if (!device.path.starts_with('/') && !is_grouping(device.path))
                throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                            fmt::format("XML error: '{}' is not the path of a device", device.path))
                    .hint("write <source><device path='/dev/sdb'/></source>");
        pool.target = "/dev/zvol/" + *pool.source.name;
    }

    std::string source(const model::Pool& pool) const override { return "ZFS dataset " + dataset_of(pool); }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        require_buildable(*pool);
        Arguments looking{"list", "-H", "-o", "name", dataset_of(*pool)};
        const auto there = co_await site.attempt("zfs", std::move(looking));
        if (there.status.success())
            throw Error(ErrorCode::storage_pool_built, ErrorDomain::storage,
                        fmt::format("storage pool already built: there is a ZFS dataset '{}'", dataset_of(*pool)))
                .hint("start the pool to use it");
        const auto purpose = fmt::format("make ZFS dataset '{}'", dataset_of(*pool));
        // Its volumes are devices: no file system of it need be mounted on the host.
        if (!is_whole(*pool)) {
            Arguments making{"create", "-o", "mountpoint=none", dataset_of(*pool)};
            (void)co_await site.run("zfs", std::move(making), purpose);
            co_return;
        }
        Arguments making{"create", "-m", "none"};
        if (flags & build_flag::overwrite) making.emplace_back("-f");
        making.push_back(dataset_of(*pool));
        for (const auto& device : pool->source.devices) making.push_back(device.path);
        const auto made = co_await site.attempt("zpool", std::move(making));
        if (made.err.contains("use '-f' to override"))
            throw Error(ErrorCode::storage_pool_built, ErrorDomain::storage,
                        "storage pool already built: its devices are in use or hold data")
                .because(made.err)
                .hint("take --overwrite if what they hold is to be lost");
        Site::require_success(made, "zpool", purpose);
    }

    Task<> start(Definition pool, Site site) const override {
        const auto listing = co_await list(pool, site);
        for (const auto& volume : listing.volumes) {
            if (volume.unfinished != host_name()) continue;
            // One that is still in use stays: it is not listed.
            Arguments removal{"destroy", full_name(*pool, volume.name)};
            (void)co_await site.attempt("zfs", std::move(removal));
        }
    }

    Task<> remove(Definition pool, Site site) const override {
        const auto purpose = fmt::format("remove ZFS dataset '{}'", dataset_of(*pool));
        Arguments arguments{"destroy", dataset_of(*pool)};
        const std::string program = is_whole(*pool) ? "zpool" : "zfs";
        co_await persist(program, std::move(arguments), purpose, site);
    }

    Task<Contents> look(Definition pool, Site site) const override {
        const auto listing = co_await list(pool, site);
        auto work = [pool, listing] { return describe(*pool, listing); };
        auto contents = co_await site.block(std::move(work));
        co_return contents;
    }

    Task<model::Volume> look_at(Definition pool, std::string volume, Site site) const override {
        Arguments arguments{"list", "-Hp", "-t", "volume", "-o", zfs_columns(), full_name(*pool, volume)};
        const auto output = co_await site.attempt("zfs", std::move(arguments));
        if (output.err.contains("does not exist") || output.err.contains("not applicable")) throw absent(volume);
        Site::require_success(output, "zfs", fmt::format("look at volume '{}'", volume));
        auto work = [pool, listing = parse_zfs_listing(output.out, dataset_of(*pool))] {
            return describe(*pool, listing);
        };
        auto found = co_await site.block(std::move(work));
        if (found.volumes.empty()) throw absent(volume);
        co_return std::move(found.volumes[0]);
    }

    Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const override {
        admit_volume(wanted, flags);
        return make(std::move(pool), std::move(wanted), {}, std::move(site));
    }

    Task<> copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const override {
        if (flags & create_flag::reflink) unsupported("reflinks");
        const auto size = from.volume->capacity.value_or(ByteCount{0});
        if (wanted.capacity.value_or(ByteCount{0}) < size) wanted.capacity = size; // a copy is never cut off
        wanted.backing_store.reset();
        wanted.target.format = "raw";
        const auto name = wanted.name;
        admit_volume(wanted, flags);
        Arguments mark{"-o", fmt::format("{}={}", zfs_unfinished, host_name())};
        co_await make(pool, std::move(wanted), std::move(mark), site);
        auto filling = fill(pool, name, std::move(from), site);
        co_await or_undo(std::move(filling), take_away(pool, name, site));
    }

    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned flags, Site site) const override {
        const bool with_snapshots = flags & delete_flag::with_snapshots;
        if (!with_snapshots) co_await require_no_snapshots(pool, volume->name, site);
        Arguments arguments{"destroy"};
        if (with_snapshots) arguments.emplace_back("-r");
        arguments.push_back(full_name(*pool, volume->name));
        const auto purpose = fmt::format("delete volume '{}'", volume->name);
        co_await persist("zfs", std::move(arguments), purpose, site);
        co_await wait_until_gone(*volume->target.path, site);
    }

    Task<> resize(Definition pool, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const override {
        const auto purpose = fmt::format("resize volume '{}'", volume->name);
        Arguments asking{"get", "-Hp", "-o", "value", "volblocksize", full_name(*pool, volume->name)};
        const auto told = co_await site.run("zfs", std::move(asking), purpose);
        const auto block = std::max<std::uint64_t>(std::strtoull(told.c_str(), nullptr, 10), 1);
        Arguments arguments{"set", fmt::format("volsize={}", (capacity.bytes + block - 1) / block * block)};
        if (flags & resize_flag::allocate) arguments.emplace_back("refreservation=auto");
        arguments.push_back(full_name(*pool, volume->name));
        (void)co_await site.run("zfs", std::move(arguments), purpose);
    }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource, Site site) const override {
        Arguments arguments{"list", "-HPv", "-o", "name"};
        const auto told = co_await site.run("zpool", std::move(arguments), "look for ZFS pools");
        auto found = parse_zpool_listing(told);
        co_return found;
    }

private:
    static void require_buildable(const model::Pool& pool) {
        const auto refuse = [](std::string what, std::string hint) {
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                        fmt::format("unsupported configuration: {}", what))
                .hint(std::move(hint));
        };
        if (is_whole(pool) && pool.source.devices.empty())
            refuse("missing source devices", "write <source><device path='/dev/sdb'/></source>");
        if (!is_whole(pool) && !pool.source.devices.empty())
            refuse(fmt::format("devices make a whole ZFS pool, and not its dataset '{}'", dataset_of(pool)),
                   "leave <device> out: the dataset is made in the pool that is there");
    }

    void admit_volume(const model::Volume& wanted, unsigned flags) const {
        const auto refuse = [](std::string what) {
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                        fmt::format("unsupported configuration: {}", what));
        };
        if (flags & create_flag::preallocate_metadata) unsupported("preallocation of metadata");
        if (wanted.target.format.value_or("raw") != "raw")
            refuse(fmt::format("a volume of ZFS is raw and not '{}'", *wanted.target.format));
        if (wanted.backing_store) refuse("a volume of ZFS has no backing image");
        admit_block_volume(wanted);
        if (!is_zfs_component(wanted.name))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: '{}' cannot be the name of a volume of ZFS", wanted.name));
    }

    /// The dataset and what lies right below it.
    static Task<ZfsListing> list(Definition pool, Site site) {
        Arguments arguments{"list",           "-Hp", "-d", "1", "-t", "filesystem,volume", "-o", zfs_columns(),
                            dataset_of(*pool)};
        const auto output = co_await site.attempt("zfs", std::move(arguments));
        if (!output.status.success())
            throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                        fmt::format("cannot look at ZFS dataset '{}'", dataset_of(*pool)))
                .because(output.err)
                .hint("see 'zfs list'; a pool that the host has not taken in wants 'zpool import', a new one 'domus "
                      "pool-build'");
        auto listing = parse_zfs_listing(output.out, dataset_of(*pool));
        co_return listing;
    }

    /// What volumes can still get, as zfs reports it: unlike the numbers of zpool(8) this takes account of
    /// reservations, of quotas, and of what redundancy takes.
    static Contents describe(const model::Pool& pool, const ZfsListing& listing) {
        Contents contents;
        contents.allocation = listing.used;
        contents.available = listing.available;
        contents.capacity = {listing.used.bytes + listing.available.bytes};
        for (const auto& each : listing.volumes)
            if (each.unfinished.empty()) contents.volumes.push_back(one(pool, each));
        return contents;
    }

    /// Its device is not opened, since nobody can delete a volume while that is open; and there may be none (volmode).
    static model::Volume one(const model::Pool& pool, const ZfsVolume& seen) {
        model::Volume volume;
        volume.type = model::VolumeType::block;
        volume.name = seen.name;
        volume.key = full_name(pool, seen.name);
        volume.capacity = volume.physical = seen.size;
        volume.allocation = std::max(seen.reserved, seen.written);
        volume.target.path = link_of(pool, seen.name);
        volume.target.format = "raw";
        struct stat info{};
        if (::stat(volume.target.path->c_str(), &info) < 0) return volume;
        volume.target.permissions = permissions_of(info);
        volume.target.timestamps = timestamps_of(info);
        return volume;
    }

    /// All of it is reserved, or as much as is allotted.
    static Arguments creation(const model::Volume& wanted) {
        const auto allotted = wanted.allocation.value_or(*wanted.capacity);
        Arguments arguments{"create"};
        if (allotted < *wanted.capacity)
            arguments.insert(arguments.end(), {"-s", "-o", fmt::format("refreservation={}", allotted.bytes)});
        arguments.insert(arguments.end(), {"-V", std::to_string(wanted.capacity->bytes)});
        return arguments;
    }

    static Task<> make(Definition pool, model::Volume wanted, Arguments more, Site site) {
        auto arguments = creation(wanted);
        arguments.insert(arguments.end(), more.begin(), more.end());
        arguments.push_back(full_name(*pool, wanted.name));
        const auto made = co_await site.attempt("zfs", std::move(arguments));
        if (made.err.contains("already exists"))
            throw Error(ErrorCode::storage_vol_exist, ErrorDomain::storage,
                        fmt::format("storage volume '{}' exists already", wanted.name))
                .because(made.err)
                .hint("it may be a dataset that is no volume: see 'zfs list'");
        Site::require_success(made, "zfs", fmt::format("make volume '{}'", wanted.name));
        auto settling = settle_device(link_of(*pool, wanted.name), wanted.target.permissions, site);
        co_await or_undo(std::move(settling), take_away(pool, wanted.name, site));
    }

    static Task<> fill(Definition pool, std::string volume, Origin from, Site site) {
        co_await fill_device(link_of(*pool, volume), std::move(from), site);
        Arguments arguments{"inherit", std::string(zfs_unfinished), full_name(*pool, volume)};
        const auto purpose = fmt::format("let volume '{}' be whole", volume);
        (void)co_await site.run("zfs", std::move(arguments), purpose);
    }

    static Task<> take_away(Definition pool, std::string volume, Site site) {
        Arguments arguments{"destroy", full_name(*pool, volume)};
        co_await persist("zfs", std::move(arguments), fmt::format("take volume '{}' away again", volume), site);
    }

    static Task<> require_no_snapshots(Definition pool, std::string volume, Site site) {
        Arguments arguments{"list", "-H", "-d", "1", "-t", "snapshot", "-o", "name", full_name(*pool, volume)};
        const auto told = co_await site.run("zfs", std::move(arguments), "look for snapshots");
        if (told.empty()) co_return;
        throw Error(
            ErrorCode::operation_invalid, ErrorDomain::storage,
            fmt::format("Requested operation is not valid: volume '{}' has the snapshot '{}', which would go with it",
                        volume, told.substr(0, told.find('\n'))))
            .hint("delete its snapshots first, or take --delete-snapshots");
    }

    /// Runs what wants nobody to have the device open. udev looks into a device whenever it was written to, for a moment.
    static Task<> persist(std::string program, Arguments arguments, std::string purpose, Site site) {
        const auto until = Deadline::in(5s);
        for (;;) {
            Arguments again = arguments;
            const auto output = co_await site.attempt(program, std::move(again));
            if (output.status.success()) co_return;
            if (until.expired() || !output.err.contains("busy")) Site::require_success(output, program, purpose);
            co_await sleep_until(Deadline::in(50ms));
        }
    }

    /// The kernel takes the device away a moment after the volume; a new volume of that name would find the old one.
    static Task<> wait_until_gone(std::string path, Site site) {
        const auto until = Deadline::in(5s);
        for (;;) {
            auto look = [path] {
                std::error_code failure;
                return std::filesystem::exists(path, failure);
            };
            const bool there = co_await site.block(std::move(look));
            if (!there || until.expired()) co_return;
            co_await sleep_until(Deadline::in(20ms));
        }
    }
};

} // namespace

const Kind& kind_zfs() {
    static const Zfs kind;
    return kind;
}

} // namespace domus::storage
