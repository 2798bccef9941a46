// Pool type 'rbd': a pool of Ceph and the images in it, by Ceph's own programs (ceph.hpp). A copy of an image in its
// pool is a clone of a snapshot of ours, which goes with the last of its clones.
#include "base/uuid.hpp"
#include "os/files.hpp"
#include "os/host_name.hpp"
#include "storage/ceph.hpp"
#include "storage/conversion.hpp"
#include "storage/unfinished_file.hpp"
#include "storage/volume_making.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace domus::storage {

namespace {

namespace json = boost::json;

constexpr std::string_view own_snapshots = "domus-";

/// An image that is being filled; with the host's name, so that the daemon of another host lets it be.
std::string unfinished_here() { return fmt::format("{}{}.", unfinished_prefix, host_name()); }

/// "pool/image", as Ceph's programs and libvirt's keys have it.
std::string image_of(const model::Pool& pool, const std::string& name) {
    return fmt::format("{}/{}", *pool.source.name, name);
}

std::string text(const json::value& row, std::string_view key) {
    const auto* value = row.as_object().if_contains(key);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

std::uint64_t number(const json::value& row, std::string_view key) {
    const auto* value = row.as_object().if_contains(key);
    return value && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

constexpr std::string_view setup = R"(Disks on it need the package qemu-block-extra too. The client's key is a secret:

    echo "<secret private='yes'><usage type='ceph'><name>client.vms</name></usage></secret>" >secret.xml
    domus secret-define secret.xml                # prints its UUID
    ceph auth get-key client.vms >key && domus secret-set-value UUID --file key
    domus pool-define-as ceph rbd --source-host MONITOR --source-name vms --auth-type ceph \
        --auth-username vms --secret-uuid UUID
    domus pool-start ceph

A disk names an image by its volume (`<disk type='volume'><source pool='ceph' volume='web'/>`) or by itself
(`type='network'`). `vol-clone` within the pool makes a clone that shares data with its origin. `vol-create-from` copies
volumes into pools of other types.
)";

class Rbd final : public Kind {
public:
    Rbd()
        : Kind({
              .name = "rbd",
              .about = "a pool of Ceph, and its images",
              .usage = setup,
              .can = abilities_of<Kind, Rbd>(),
              .reach = Reach::server,
              .needs = {{"rbd", {"ceph-common"}}, {"rados", {"ceph-common"}}},
              .block_driver = "rbd",
              .logs_in = true,
          }) {}

    void admit(model::Pool& pool) const override {
        const auto refuse = [](std::string_view what, std::string hint) {
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, fmt::format("XML error: {}", what))
                .hint(std::move(hint));
        };
        const auto& source = pool.source;
        if (source.hosts.empty() || std::ranges::any_of(source.hosts, [](const auto& host) {
                return host.name.empty() || host.name.find_first_of(", \t\n") != host.name.npos;
            }))
            refuse("missing storage pool source host name",
                   "write <source><host name='monitor'/><name>rbd</name></source>, with a <host> for each monitor");
        if (!source.name || source.name->empty())
            refuse("missing mandatory 'name' field for RBD pool name", "write <source>...<name>rbd</name></source>");
        if (source.name->find_first_of("/@ \t\n") != std::string::npos || source.name->starts_with('-'))
            refuse(fmt::format("'{}' cannot be the name of a Ceph pool", *source.name), "see 'ceph osd pool ls'");
        if (source.auth && source.auth->type != "ceph")
            refuse(fmt::format("authentication of type '{}' is not Ceph's", source.auth->type),
                   "write <auth type='ceph' username='...'>");
        if (source.auth && source.auth->username.value_or("").empty())
            refuse("missing auth username attribute", "it is the client's name without 'client.'");
        if (source.auth && !source.auth->secret.uuid && !source.auth->secret.usage)
            refuse("missing auth secret uuid or usage attribute",
                   "write <secret usage='...'/>; see 'domus secret-list'");
        pool.target.reset();
    }

    std::string source(const model::Pool& pool) const override {
        auto sorted = pool;
        std::ranges::sort(sorted.source.hosts, {}, &model::PoolHost::name);
        return fmt::format("Ceph pool '{}' at {}", *pool.source.name, monitors_of(sorted));
    }

    Task<> start(Definition pool, Site site) const override {
        std::vector<std::string> arguments{"ls", *pool->source.name};
        const auto names = co_await ask_ceph(pool, "rbd", std::move(arguments),
                                             fmt::format("enter Ceph pool '{}'", *pool->source.name), site);
        for (const auto& each : names.as_array()) {
            const std::string name(each.as_string());
            if (!name.starts_with(unfinished_here())) continue;
            // One that is still being written stays: it is not listed.
            co_await take_away(pool, name, site);
        }
    }

    Task<Contents> look(Definition pool, Site site) const override {
        auto contents = co_await measure(pool, site);
        std::vector<std::string> arguments{"ls", "--long", *pool->source.name};
        const auto rows = co_await ask_ceph(pool, "rbd", std::move(arguments), "list the images", site);
        for (const auto& row : rows.as_array()) {
            if (row.as_object().contains("snapshot")) continue;
            const auto name = text(row, "image");
            if (!name.starts_with(unfinished_prefix)) contents.volumes.push_back(one(*pool, name, number(row, "size")));
        }
        co_return contents;
    }

    Task<Contents> measure(Definition pool, Site site) const override {
        std::vector<std::string> arguments{"df"};
        const auto told = co_await ask_ceph(pool, "rados", std::move(arguments), "see how full Ceph is", site);
        Contents contents;
        contents.capacity = ByteCount::kib(number(told, "total_space"));
        contents.available = ByteCount::kib(number(told, "total_avail"));
        for (const auto& row : told.at("pools").as_array())
            if (text(row, "name") == *pool->source.name) contents.allocation = {number(row, "size_bytes")};
        co_return contents;
    }

    Task<model::Volume> look_at(Definition pool, std::string volume, Site site) const override {
        std::vector<std::string> arguments{"info", image_of(*pool, volume), "--format", "json"};
        auto command = co_await ceph_command(pool, "rbd", std::move(arguments), site);
        const auto output = co_await site.attempt(std::move(command));
        if (output.status.code == ENOENT && !output.err.contains("opening pool"))
            throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                        fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume));
        if (!output.status.success())
            throw ceph_failure(*pool, output, "rbd", fmt::format("look at image '{}'", volume));
        const auto info = json::parse(output.out);
        auto seen = one(*pool, volume, number(info, "size"));
        const auto& features = info.at("features").as_array();
        const bool cheap = std::ranges::find(features, json::value("fast-diff")) != features.end();
        if (!cheap || pool->refresh_allocation == "capacity") co_return seen;
        std::vector<std::string> measuring{"disk-usage", image_of(*pool, volume)};
        const auto usage = co_await ask_ceph(pool, "rbd", std::move(measuring),
                                             fmt::format("see how full image '{}' is", volume), site);
        std::uint64_t used = 0;
        for (const auto& row : usage.at("images").as_array()) used += number(row, "used_size"); // of its snapshots too
        seen.allocation = ByteCount{used};
        co_return seen;
    }

    Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const override {
        admit_volume(wanted, flags);
        if (wanted.backing_store)
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                        "unsupported configuration: a volume of Ceph gets its backing image by being copied")
                .hint("'domus vol-clone' makes one that shares what it has in common with its origin");
        return make(std::move(pool), wanted.name, *wanted.capacity, std::move(site));
    }

    Task<> copy(Definition pool, model::Volume wanted, Origin origin, unsigned flags, Site site) const override {
        if (flags & create_flag::reflink) unsupported("reflinks");
        const auto from = origin.volume;
        const auto size = from->capacity.value_or(ByteCount{0});
        if (wanted.capacity.value_or(ByteCount{0}) < size) wanted.capacity = size; // a copy is never cut off
        wanted.target.format = "raw";
        admit_volume(wanted, flags);
        const auto made = unfinished_here() + wanted.name;
        auto making = origin.pool->name == pool->name ? clone(pool, from, made, *wanted.capacity, site)
                                                      : import(pool, origin, made, *wanted.capacity, site);
        auto naming = make_under(pool, made, wanted.name, std::move(making), site);
        co_await or_undo(std::move(naming), take_away(pool, made, site));
    }

    Task<> resize(Definition pool, VolumePtr volume, ByteCount capacity, unsigned flags, Site site) const override {
        if (flags & resize_flag::allocate) unsupported("allocating the whole of a volume");
        return grow(std::move(pool), volume->name, capacity, std::move(site));
    }

    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned flags, Site site) const override {
        const auto image = image_of(*pool, volume->name);
        const auto snapshots = co_await snapshots_of(pool, volume->name, site);
        if (!snapshots.empty()) co_await require_removable(pool, volume->name, flags, site);
        std::vector<std::string> looking{"info", image};
        const auto info =
            co_await ask_ceph(pool, "rbd", std::move(looking), fmt::format("look at image '{}'", volume->name), site);
        for (const auto& snapshot : snapshots) co_await remove_snapshot(pool, image, snapshot, site);
        std::vector<std::string> removal{"rm", "--no-progress", image};
        // One object after the other; and a client that was killed counts for half a minute as one that has it open.
        (void)co_await call_ceph(pool, "rbd", std::move(removal), fmt::format("delete volume '{}'", volume->name),
                                 site.until(Deadline::never()));
        if (const auto* parent = info.as_object().if_contains("parent")) co_await forget_origin(pool, *parent, site);
    }

    Task<> wipe(Definition pool, VolumePtr volume, unsigned algorithm, Site site) const override {
        constexpr unsigned zero = 0, trim = 9; // virStorageVolWipeAlgorithm
        const auto seen = co_await look_at(pool, volume->name, site);
        if (algorithm == trim) {
            std::vector<std::string> arguments{"import-diff", "--no-progress", "-", image_of(*pool, volume->name)};
            (void)co_await call_ceph(pool, "rbd", std::move(arguments),
                                     fmt::format("discard what volume '{}' holds", volume->name), site,
                                     nothing_but_holes(seen.capacity->bytes));
        } else if (algorithm == zero) {
            const json::object zeros{{"driver", "null-co"}, {"size", seen.capacity->bytes}, {"read-zeroes", true}};
            const auto command = std::make_shared<Command>(making_command());
            command->arguments = {"convert", "-p", "-n", "-S", "0", node_name(raw_over(zeros))};
            co_await fill(pool, command, volume->name, *seen.capacity,
                          fmt::format("overwrite volume '{}'", volume->name), site);
        } else {
            unsupported(fmt::format("wiping algorithm {}", algorithm));
        }
    }

    Task<std::string> image_name(Definition pool, VolumePtr volume, std::string key, std::shared_ptr<Command> command,
                                 Site site) const override {
        return name_for_qemu(std::move(pool), volume->name, std::move(key), std::move(command), std::move(site));
    }

    Place place(const model::Pool& pool, const model::Volume& volume,
                std::optional<model::VolumeMode> mode) const override {
        if (mode) return Kind::place(pool, volume, mode);
        Place place{model::DiskType::network, {}};
        auto& source = place.source;
        source.protocol = "rbd";
        source.name = volume.target.path;
        for (const auto& host : pool.source.hosts) {
            auto& monitor = source.hosts.emplace_back();
            monitor.name = host.name;
            monitor.port = host.port;
        }
        if (!pool.source.auth) return place;
        auto& auth = source.auth.emplace();
        auth.username = pool.source.auth->username;
        auth.secret = pool.source.auth->secret;
        auth.secret.type = model::SecretType::ceph;
        return place;
    }

private:
    static Task<> make_under(Definition pool, std::string made, std::string name, Task<> making, Site site) {
        co_await std::move(making);
        std::vector<std::string> naming{"rename", image_of(*pool, made), image_of(*pool, name)};
        (void)co_await call_ceph(pool, "rbd", std::move(naming), fmt::format("name image '{}'", name), site);
    }

    static Task<> take_away(Definition pool, std::string image, Site site) {
        std::vector<std::string> removal{"rm", "--no-progress", image_of(*pool, image)};
        (void)co_await try_rbd(pool, std::move(removal), site);
    }

    static model::Volume one(const model::Pool& pool, const std::string& name, std::uint64_t size) {
        model::Volume volume;
        volume.type = model::VolumeType::network;
        volume.name = name;
        volume.key = volume.target.path = image_of(pool, name);
        volume.target.format = "raw";
        volume.capacity = volume.allocation = volume.physical = ByteCount{size};
        return volume;
    }

    void admit_volume(const model::Volume& wanted, unsigned flags) const {
        const auto refuse = [](std::string what) {
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage, "unsupported configuration: " + what);
        };
        if (flags & create_flag::preallocate_metadata) unsupported("preallocation of metadata");
        if (wanted.target.format.value_or("raw") != "raw")
            refuse("only RAW volumes are supported by this storage pool");
        if (wanted.target.encryption) refuse("storage pool does not support encrypted volumes");
        if (!wanted.capacity || wanted.capacity->bytes == 0)
            throw Error(ErrorCode::no_support, ErrorDomain::storage, "volume capacity required for this storage pool");
        if (wanted.name.find_first_of("/@") != std::string::npos || wanted.name.starts_with(unfinished_prefix))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: '{}' cannot be the name of an image of Ceph", wanted.name));
    }

    static Task<> make(Definition pool, std::string name, ByteCount size, Site site) {
        std::vector<std::string> arguments{"create", "--size", fmt::format("{}B", size.bytes), image_of(*pool, name)};
        (void)co_await call_ceph(pool, "rbd", std::move(arguments), fmt::format("make image '{}'", name), site);
    }

    static Task<> grow(Definition pool, std::string name, ByteCount size, Site site) {
        std::vector<std::string> arguments{"resize",
                                           "--no-progress",
                                           "--allow-shrink",
                                           "--size",
                                           fmt::format("{}B", size.bytes),
                                           image_of(*pool, name)};
        (void)co_await call_ceph(pool, "rbd", std::move(arguments), fmt::format("resize image '{}'", name), site);
    }

    // ---- copies that share with their origin ----------------------------------------------------------------------

    static Task<std::vector<std::string>> snapshots_of(Definition pool, std::string image, Site site) {
        std::vector<std::string> arguments{"snap", "ls", image_of(*pool, image)};
        const auto rows = co_await ask_ceph(pool, "rbd", std::move(arguments),
                                            fmt::format("look for snapshots of image '{}'", image), site);
        std::vector<std::string> names;
        for (const auto& row : rows.as_array()) names.push_back(text(row, "name"));
        co_return names;
    }

    /// A snapshot of what the image holds now: the last one of ours where nothing was written since.
    static Task<std::string> snapshot_for(Definition pool, std::string image, Site site) {
        const auto known = co_await snapshots_of(pool, image, site);
        if (!known.empty() && known.back().starts_with(own_snapshots)) {
            std::vector<std::string> comparison{"diff", "--from-snap", known.back(), image_of(*pool, image)};
            const auto written = co_await ask_ceph(pool, "rbd", std::move(comparison),
                                                   fmt::format("see what was written to image '{}'", image), site);
            if (written.as_array().empty()) co_return image_of(*pool, image) + "@" + known.back();
        }
        const auto snapshot = fmt::format("{}@{}{}", image_of(*pool, image), own_snapshots, Uuid::random().text());
        std::vector<std::string> taking{"snap", "create", "--no-progress", snapshot};
        (void)co_await call_ceph(pool, "rbd", std::move(taking), fmt::format("take a snapshot of image '{}'", image),
                                 site);
        co_return snapshot;
    }

    static Task<> clone(Definition pool, VolumePtr from, std::string to, ByteCount size, Site site) {
        const auto snapshot = co_await snapshot_for(pool, from->name, site);
        std::vector<std::string> protection{"snap", "protect", snapshot}; // fails where it is protected already
        (void)co_await try_rbd(pool, std::move(protection), site);
        std::vector<std::string> cloning{"clone", snapshot, image_of(*pool, to)};
        (void)co_await call_ceph(pool, "rbd", std::move(cloning), fmt::format("clone image '{}'", from->name), site);
        if (size > from->capacity.value_or(ByteCount{0})) co_await grow(pool, to, size, site);
    }

    static Task<> remove_snapshot(Definition pool, std::string image, std::string snapshot, Site site) {
        const auto whole = image + "@" + snapshot;
        std::vector<std::string> release{"snap", "unprotect", whole}; // fails where it is not protected
        (void)co_await try_rbd(pool, std::move(release), site);
        std::vector<std::string> removal{"snap", "rm", "--no-progress", whole};
        (void)co_await call_ceph(pool, "rbd", std::move(removal), fmt::format("delete snapshot '{}'", whole), site);
    }

    /// Throws operation_invalid, before anything is touched, where others would go with it.
    static Task<> require_removable(Definition pool, std::string image, unsigned flags, Site site) {
        const auto refuse = [&](std::string_view what, std::string hint) {
            throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                        fmt::format("Requested operation is not valid: volume '{}' has {}", image, what))
                .hint(std::move(hint));
        };
        std::vector<std::string> arguments{"children", image_of(*pool, image)};
        const auto clones = co_await ask_ceph(pool, "rbd", std::move(arguments),
                                              fmt::format("look for clones of image '{}'", image), site);
        if (!clones.as_array().empty())
            refuse(fmt::format("the clone '{}'", text(clones.as_array()[0], "image")),
                   "delete its clones first, or make them whole with 'rbd flatten'");
        if (!(flags & delete_flag::with_snapshots))
            refuse("snapshots, which would go with it", "take --delete-snapshots");
    }

    /// The snapshot that we took for a clone goes with the last of its clones.
    static Task<> forget_origin(Definition pool, json::value parent, Site site) {
        const auto snapshot = text(parent, "snapshot");
        if (!snapshot.starts_with(own_snapshots) || text(parent, "pool") != *pool->source.name) co_return;
        const auto whole = image_of(*pool, text(parent, "image")) + "@" + snapshot;
        std::vector<std::string> release{"snap", "unprotect", whole};
        const bool last = co_await try_rbd(pool, std::move(release), site);
        if (!last) co_return;
        std::vector<std::string> removal{"snap", "rm", "--no-progress", whole};
        (void)co_await try_rbd(pool, std::move(removal), site);
    }

    // ---- contents from elsewhere ----------------------------------------------------------------------------------

    /// A difference, as `rbd export-diff` writes them, in which all has gone (doc/dev/rbd-diff of Ceph).
    static std::string nothing_but_holes(std::uint64_t size) {
        std::string text = "rbd diff v1\nz";
        for (const auto value : {std::uint64_t{0}, size})
            for (unsigned shift = 0; shift < 64; shift += 8) text += static_cast<char>(value >> shift & 0xff);
        return text + 'e';
    }

    static json::object raw_over(json::object node) { return {{"driver", "raw"}, {"file", std::move(node)}}; }

    static Task<> import(Definition pool, Origin from, std::string to, ByteCount size, Site site) {
        co_await make(pool, to, size, site);
        model::Volume raw;
        raw.name = to;
        raw.target.format = "raw";
        std::vector<std::string> options{"-n", "--target-is-zero"};
        const auto command = co_await conversion(from, std::move(raw), std::move(options), site);
        co_await fill(pool, command, to, from.volume->capacity.value_or(ByteCount{0}),
                      fmt::format("copy volume '{}'", from.volume->name), beside(from, site));
    }

    /// What qemu-img calls an image, which it opens by its object `key`. As to Ceph's own programs, Ceph must answer.
    static Task<std::string> name_for_qemu(Definition pool, std::string image, std::string key,
                                           std::shared_ptr<Command> command, Site site) {
        const int limits = command->pass(make_memfd("ceph-limits", ceph_limits()));
        json::object node{{"driver", "rbd"},
                          {"pool", *pool->source.name},
                          {"image", image},
                          {"conf", fmt::format("/proc/self/fd/{}", limits)}};
        json::array servers;
        for (const auto& host : pool->source.hosts)
            servers.push_back(
                json::object{{"host", host.name}, {"port", std::to_string(host.port.value_or(ceph_port))}});
        node["server"] = std::move(servers);
        if (pool->source.auth) {
            const auto value = co_await ceph_key(pool, site);
            pass_secret(*command, key, value.view());
            node["user"] = *pool->source.auth->username;
            node["key-secret"] = key;
        }
        co_return node_name(raw_over(std::move(node)));
    }

    /// Has qemu-img write to an image of Ceph that is there.
    static Task<> fill(Definition pool, std::shared_ptr<Command> command, std::string to, ByteCount size,
                       std::string purpose, Site site) {
        auto target = co_await name_for_qemu(pool, std::move(to), "target-key", command, site);
        command->arguments.push_back(std::move(target));
        co_await convert(std::move(command), false, size, std::move(purpose), std::move(site));
    }
};

} // namespace

const Kind& kind_rbd() {
    static const Rbd kind;
    return kind;
}

} // namespace domus::storage
