// Pool type 'logical': a volume group of LVM, and the logical volumes in it (lvm(8)). Thin volumes and snapshots are
// listed as they are; thin pools and what LVM keeps for itself are not volumes.
#include "os/host_name.hpp"
#include "storage/block_volume.hpp"
#include "storage/volume_making.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <climits>
#include <map>

namespace domus::storage {

namespace {

namespace json = boost::json;

std::string group_of(const model::Pool& pool) { return *pool.source.name; }

std::string text(const json::object& row, std::string_view key) {
    const auto* value = row.if_contains(key);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

ByteCount bytes(const json::object& row, std::string_view key) {
    const auto digits = text(row, key);
    std::uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return {number};
}

/// The rows of `lvs`, `vgs` or `pvs`.
Task<json::array> report(std::string program, std::string columns, std::vector<std::string> which, std::string purpose,
                         Site site) {
    std::vector<std::string> arguments{"--reportformat", "json", "--units",         "b",
                                       "--nosuffix",     "-o",   std::move(columns)};
    arguments.insert(arguments.end(), which.begin(), which.end());
    const auto output = co_await site.run(program, std::move(arguments), purpose);
    json::array rows;
    const auto told = json::parse(output); // named: a temporary would be gone before the loop begins
    for (const auto& part : told.at("report").as_array())
        for (const auto& [kind, list] : part.as_object())
            for (const auto& row : list.as_array()) rows.push_back(row);
    co_return rows;
}

/// "/dev/sdb1(0),/dev/sdc1(25)": where the parts of a volume begin, in extents.
void add_extents(model::Volume& volume, const json::object& row) {
    const auto extent = bytes(row, "vg_extent_size").bytes;
    const auto stripes = std::max<std::uint64_t>(1, bytes(row, "stripes").bytes);
    const auto length = bytes(row, "seg_size").bytes / stripes;
    const auto devices = text(row, "devices");
    for (std::size_t at = 0; at < devices.size();) {
        const auto comma = std::min(devices.find(',', at), devices.size());
        const auto open = devices.find('(', at);
        if (open < comma) {
            auto& device = volume.devices.emplace_back();
            device.path = devices.substr(at, open - at);
            auto& part = device.extents.emplace_back();
            part.start = std::strtoull(devices.c_str() + open + 1, nullptr, 10) * extent;
            part.end = part.start + length;
        }
        at = comma + 1;
    }
}

/// A name as the device mapper has it: "-" parts a group's name from a volume's, those of the names are doubled.
std::string mapped(std::string_view name) {
    std::string doubled;
    for (const char c : name) doubled.append(c == '-' ? 2 : 1, c);
    return doubled;
}

/// On a volume that is being filled, with the host's name: until it is whole it is not listed, and what a daemon of this
/// host had begun and not ended goes when the pool starts again.
constexpr std::string_view unfinished = "domus-unfinished.";

std::string unfinished_here() { return std::string(unfinished) + host_name(); }

class Logical final : public Kind {
public:
    Logical()
        : Kind({
              .name = "logical",
              .about = "a volume group of LVM, and its logical volumes",
              .can = abilities_of<Kind, Logical>(),
              .needs = {{"lvchange", {"lvm2"}},
                        {"lvcreate", {"lvm2"}},
                        {"lvremove", {"lvm2"}},
                        {"lvresize", {"lvm2"}},
                        {"lvs", {"lvm2"}},
                        {"pvcreate", {"lvm2"}},
                        {"pvremove", {"lvm2"}},
                        {"pvs", {"lvm2"}},
                        {"vgchange", {"lvm2"}},
                        {"vgcreate", {"lvm2"}},
                        {"vgremove", {"lvm2"}},
                        {"vgs", {"lvm2"}}},
              .source_formats = {"lvm2"},
          }) {}
    std::optional<Watched> watched(const model::Pool& pool) const override {
        // The volume group's own folder is there only while it has volumes.
        return Watched{"/dev/mapper", false, mapped(group_of(pool)) + "-"};
    }

    void admit(model::Pool& pool) const override {
        if (!pool.source.name) pool.source.name = pool.name;
        if (pool.source.name->find_first_of("/ \t") != std::string::npos || pool.source.name->starts_with('-'))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: '{}' cannot be the name of a volume group", *pool.source.name));
        if (!pool.source.format || pool.source.format == "auto" || pool.source.format == "unknown")
            pool.source.format = "lvm2";
        pool.target = "/dev/" + *pool.source.name;
    }

    std::string source(const model::Pool& pool) const override { return "volume group " + group_of(pool); }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        if (pool->source.devices.empty())
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: the pool names no devices to build it from")
                .hint("write <source><device path='/dev/sdb'/></source>");
        std::vector<std::string> made;
        std::exception_ptr failure;
        try {
            for (const auto& device : pool->source.devices) {
                std::vector<std::string> arguments{"-q"};
                if (flags & build_flag::overwrite) arguments.insert(arguments.end(), {"-y", "-ff"});
                arguments.push_back(device.path);
                const auto purpose = fmt::format("make '{}' a physical volume", device.path);
                (void)co_await site.run("pvcreate", std::move(arguments), purpose);
                made.push_back(device.path);
            }
            std::vector<std::string> arguments{"-q", group_of(*pool)};
            arguments.insert(arguments.end(), made.begin(), made.end());
            const auto purpose = fmt::format("make volume group '{}'", group_of(*pool));
            (void)co_await site.run("vgcreate", std::move(arguments), purpose);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return;
        for (const auto& path : made) {
            std::vector<std::string> arguments{"-q", "-y", path};
            (void)co_await site.attempt("pvremove", std::move(arguments));
        }
        std::rethrow_exception(failure);
    }

    Task<> start(Definition pool, Site site) const override {
        std::vector<std::string> arguments{"-q", "-aly", group_of(*pool)};
        const auto purpose = fmt::format("activate volume group '{}'", group_of(*pool));
        (void)co_await site.run("vgchange", std::move(arguments), purpose);
        std::vector<std::string> which{"-S", fmt::format("lv_tags=\"{}\"", unfinished_here()), group_of(*pool)};
        const auto half = co_await report("lvs", "lv_name", std::move(which), "look for unfinished volumes", site);
        for (const auto& row : half) {
            // One that is still in use stays: it is not listed.
            std::vector<std::string> removal{"-q", "-y", "-f",
                                             fmt::format("{}/{}", group_of(*pool), text(row.as_object(), "lv_name"))};
            (void)co_await site.attempt("lvremove", std::move(removal));
        }
    }

    Task<> stop(Definition pool, Site site) const override {
        std::vector<std::string> arguments{"-q", "-aln", group_of(*pool)};
        const auto purpose = fmt::format("deactivate volume group '{}'", group_of(*pool));
        (void)co_await site.run("vgchange", std::move(arguments), purpose);
    }

    Task<> remove(Definition pool, Site site) const override {
        std::vector<std::string> which{group_of(*pool)};
        const auto devices =
            co_await report("vgs", "pv_name", std::move(which), "see the volume group's devices", site);
        std::vector<std::string> arguments{"-q", "-y", "-f", group_of(*pool)};
        const auto purpose = fmt::format("remove volume group '{}'", group_of(*pool));
        (void)co_await site.run("vgremove", std::move(arguments), purpose);
        for (const auto& row : devices) {
            std::vector<std::string> device{"-q", "-y", text(row.as_object(), "pv_name")};
            (void)co_await site.run("pvremove", std::move(device), "free the volume group's devices");
        }
    }

    Task<Contents> look(Definition pool, Site site) const override {
        Contents contents;
        std::vector<std::string> which{group_of(*pool)};
        const auto groups = co_await report("vgs", "vg_size,vg_free", which, "look at the volume group", site);
        if (!groups.empty()) {
            contents.capacity = bytes(groups[0].as_object(), "vg_size");
            contents.available = bytes(groups[0].as_object(), "vg_free");
            contents.allocation = {contents.capacity.bytes - contents.available.bytes};
        }
        contents.volumes = co_await volumes(pool, which, site);
        co_return contents;
    }

    Task<model::Volume> look_at(Definition pool, std::string volume, Site site) const override {
        std::vector<std::string> which{"-S", fmt::format("lv_name=\"{}\"", volume), group_of(*pool)};
        auto found = co_await volumes(pool, std::move(which), site);
        if (found.empty())
            throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                        fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume));
        co_return std::move(found[0]);
    }

    Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const override {
        admit_volume(wanted, flags);
        return make(std::move(pool), std::move(wanted), {}, std::move(site));
    }

    Task<> make(Definition pool, model::Volume wanted, std::vector<std::string> more, Site site) const {
        const auto path = fmt::format("{}/{}", *pool->target, wanted.name);
        if (wanted.backing_store) {
            auto origin = *wanted.backing_store;
            origin.format = "raw";
            co_await require_backing(path, std::move(origin), site);
        }
        auto arguments = creation(*pool, wanted);
        arguments.insert(arguments.end(), more.begin(), more.end());
        const auto purpose = fmt::format("make volume '{}'", wanted.name);
        (void)co_await site.run("lvcreate", std::move(arguments), purpose);
        auto settling = settle_device(path, wanted.target.permissions, site);
        co_await or_undo(std::move(settling), take_away(pool, wanted.name, site));
    }

    Task<> copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const override {
        if (flags & create_flag::reflink) unsupported("reflinks");
        const auto size = from.volume->capacity.value_or(ByteCount{0});
        if (wanted.capacity.value_or(ByteCount{0}) < size) wanted.capacity = size; // a copy is never cut off
        wanted.allocation = wanted.capacity;
        wanted.backing_store.reset();
        wanted.target.format = "raw";
        const auto name = wanted.name;
        admit_volume(wanted, flags);
        std::vector<std::string> tag{"--addtag", unfinished_here()};
        co_await make(pool, std::move(wanted), std::move(tag), site);
        auto filling = fill(pool, name, std::move(from), site);
        co_await or_undo(std::move(filling), take_away(pool, name, site));
    }

    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned flags, Site site) const override {
        if (!(flags & delete_flag::with_snapshots)) {
            std::vector<std::string> which{"-S", fmt::format("origin=\"{}\"", volume->name), group_of(*pool)};
            const auto snapshots = co_await report("lvs", "lv_name", std::move(which), "look for snapshots", site);
            if (!snapshots.empty())
                throw Error(
                    ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format(
                        "Requested operation is not valid: volume '{}' has the snapshot '{}', which would go with it",
                        volume->name, text(snapshots[0].as_object(), "lv_name")))
                    .hint("delete its snapshots first, or take --delete-snapshots");
        }
        std::vector<std::string> arguments{"-q", "-y", "-f", fmt::format("{}/{}", group_of(*pool), volume->name)};
        const auto purpose = fmt::format("delete volume '{}'", volume->name);
        (void)co_await site.run("lvremove", std::move(arguments), purpose);
    }

    Task<> resize(Definition pool, VolumePtr volume, ByteCount capacity, unsigned, Site site) const override {
        std::vector<std::string> arguments{"-q",
                                           "-y",
                                           "-f",
                                           "-L",
                                           fmt::format("{}b", capacity.bytes),
                                           fmt::format("{}/{}", group_of(*pool), volume->name)};
        const auto purpose = fmt::format("resize volume '{}'", volume->name);
        (void)co_await site.run("lvresize", std::move(arguments), purpose);
    }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource, Site site) const override {
        const auto rows = co_await report("pvs", "pv_name,vg_name", {}, "look for volume groups", site);
        std::map<std::string, model::PoolSource> groups;
        for (const auto& row : rows) {
            const auto group = text(row.as_object(), "vg_name");
            if (group.empty()) continue;
            auto& source = groups[group];
            source.name = group;
            source.format = "lvm2";
            model::SourceDevice device;
            device.path = text(row.as_object(), "pv_name");
            source.devices.push_back(std::move(device));
        }
        std::vector<model::PoolSource> sources;
        for (auto& [group, source] : groups) sources.push_back(std::move(source));
        co_return sources;
    }

private:
    void admit_volume(const model::Volume& wanted, unsigned flags) const {
        if (flags & create_flag::preallocate_metadata) unsupported("preallocation of metadata");
        if (wanted.target.format.value_or("raw") != "raw")
            throw Error(
                ErrorCode::config_unsupported, ErrorDomain::storage,
                fmt::format("unsupported configuration: a logical volume is raw and not '{}'", *wanted.target.format));
        admit_block_volume(wanted);
        if (wanted.name.find_first_of("/ \t") != std::string::npos || wanted.name.starts_with('-')
            || wanted.name.empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        fmt::format("XML error: '{}' cannot be the name of a logical volume", wanted.name));
    }

    /// A snapshot where a backing volume is named; else one that takes only as much as it is allotted.
    static std::vector<std::string> creation(const model::Pool& pool, const model::Volume& wanted) {
        const auto allotted = wanted.allocation.value_or(*wanted.capacity);
        std::vector<std::string> arguments{"-q", "-y", "-Wn", "--name", wanted.name};
        const auto size = [](ByteCount amount) { return fmt::format("{}b", std::max<std::uint64_t>(amount.bytes, 1)); };
        if (wanted.backing_store) {
            arguments.insert(arguments.end(), {"-L", size(allotted), "-s", wanted.backing_store->path});
            return arguments;
        }
        if (allotted < *wanted.capacity)
            arguments.insert(arguments.end(), {"--type", "snapshot", "--virtualsize", size(*wanted.capacity)});
        arguments.insert(arguments.end(), {"-L", size(allotted), group_of(pool)});
        return arguments;
    }

    static Task<> fill(Definition pool, std::string volume, Origin from, Site site) {
        co_await fill_device(fmt::format("{}/{}", *pool->target, volume), std::move(from), site);
        std::vector<std::string> arguments{"-q", "--deltag", unfinished_here(),
                                           fmt::format("{}/{}", group_of(*pool), volume)};
        const auto purpose = fmt::format("let volume '{}' be whole", volume);
        (void)co_await site.run("lvchange", std::move(arguments), purpose);
    }

    /// Ends the making of a volume; what fails takes it away.
    static Task<> take_away(Definition pool, std::string volume, Site site) {
        std::vector<std::string> arguments{"-q", "-y", "-f", fmt::format("{}/{}", group_of(*pool), volume)};
        (void)co_await site.run("lvremove", std::move(arguments), fmt::format("take volume '{}' away again", volume));
    }

    static Task<std::vector<model::Volume>> volumes(Definition pool, std::vector<std::string> which, Site site) {
        std::string columns = "lv_name,origin,lv_uuid,devices,stripes,seg_size,vg_extent_size,lv_size,lv_attr,lv_tags";
        const auto rows =
            co_await report("lvs", std::move(columns), std::move(which), "look at the logical volumes", site);
        auto work = [pool, rows] { return describe(*pool, rows); };
        auto found = co_await site.block(std::move(work));
        co_return found;
    }

    static std::vector<model::Volume> describe(const model::Pool& pool, const json::array& rows) {
        std::vector<model::Volume> found;
        for (const auto& each : rows) {
            const auto& row = each.as_object();
            const auto name = text(row, "lv_name");
            const auto attributes = text(row, "lv_attr"); // "-wi-a-----", see lvs(8)
            constexpr std::string_view not_volumes = "tTeDvlp";
            if (name.empty() || attributes.size() < 5 || not_volumes.contains(attributes[0]) || attributes[4] != 'a')
                continue;
            if (text(row, "lv_tags").find(unfinished) != std::string::npos) continue;
            if (found.empty() || found.back().name != name) found.push_back(one(pool, name, row));
            add_extents(found.back(), row); // a row for each segment
        }
        return found;
    }

    static model::Volume one(const model::Pool& pool, const std::string& name, const json::object& row) {
        auto volume = read_block_volume(fmt::format("{}/{}", *pool.target, name), name, text(row, "lv_uuid"));
        if (const auto origin = text(row, "origin"); !origin.empty()) {
            auto& backing = volume.backing_store.emplace();
            backing.path = fmt::format("{}/{}", *pool.target, origin);
            backing.format = "raw";
        }
        volume.allocation = bytes(row, "lv_size");
        return volume;
    }
};

} // namespace

const Kind& kind_logical() {
    static const Logical kind;
    return kind;
}

} // namespace domus::storage
