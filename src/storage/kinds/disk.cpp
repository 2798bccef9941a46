// Pool type 'disk': a block device with a partition table, and its partitions, by sfdisk(8). The kernel names
// partitions: a new volume must have the name that its partition will get.
#include "os/files.hpp"
#include "storage/block_volume.hpp"

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <filesystem>

namespace domus::storage {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string device_of(const model::Pool& pool) { return pool.source.devices[0].path; }

/// sfdisk's name of a partition table.
std::string_view label_of(const model::Pool& pool) {
    const auto& format = *pool.source.format;
    return format == "dvh" ? std::string_view("sgi") : std::string_view(format);
}

std::uint64_t size_of(const std::string& device) {
    const auto fd = open_file(device, O_RDONLY | O_NONBLOCK);
    std::uint64_t bytes = 0;
    if (::ioctl(fd.get(), BLKGETSIZE64, &bytes) < 0) throw path_error(errno, "cannot find the size of", device);
    return bytes;
}

struct Partition {
    std::string node;
    std::uint64_t start, bytes; ///< of the device
    bool extended;
};

/// `sfdisk --json` tells in sectors.
std::vector<Partition> partitions_in(std::string_view text) {
    const auto table = json::parse(text).at("partitiontable");
    const auto* sector = table.as_object().if_contains("sectorsize");
    const auto unit = sector ? sector->to_number<std::uint64_t>() : 512;
    std::vector<Partition> found;
    const auto* list = table.as_object().if_contains("partitions");
    if (!list) return found;
    for (const auto& each : list->as_array()) {
        const auto& row = each.as_object();
        const std::string type(row.at("type").as_string());
        found.push_back({std::string(row.at("node").as_string()), row.at("start").to_number<std::uint64_t>() * unit,
                         row.at("size").to_number<std::uint64_t>() * unit, type == "5" || type == "f" || type == "85"});
    }
    return found;
}

class Disk final : public Kind {
public:
    Disk()
        : Kind({
              .name = "disk",
              .about = "a disk of the host, and its partitions",
              .can = abilities_of<Kind, Disk>(),
              .needs = {{"sfdisk", {"fdisk"}}},
              .volume_formats = {"none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid",
                                 "extended"},
              .source_formats = {"dos", "gpt", "dvh", "sun"},
              .one_at_a_time = true, // each changes the one table
          }) {}
    std::optional<Watched> watched(const model::Pool& pool) const override {
        const fs::path device(device_of(pool));
        return Watched{device.parent_path().string(), false, device.filename().string()};
    }

    void admit(model::Pool& pool) const override {
        if (pool.source.devices.size() != 1 || !pool.source.devices[0].path.starts_with('/'))
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        "XML error: missing storage pool source device name")
                .hint("write <source><device path='/dev/sdb'/></source>");
        if (!pool.source.format || pool.source.format == "unknown") pool.source.format = "dos";
        const auto& known = info().source_formats;
        if (std::ranges::find(known, *pool.source.format) == known.end())
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                        fmt::format("unsupported configuration: partition table '{}' cannot be made or read",
                                    *pool.source.format))
                .hint("take 'gpt' or 'dos'");
        if (!pool.target) pool.target = "/dev";
    }

    std::string source(const model::Pool& pool) const override { return device_source(device_of(pool)); }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        const auto device = device_of(*pool);
        if (!(flags & build_flag::overwrite)) co_await require_blank(device, site);
        std::vector<std::string> arguments{"-q", "--wipe", "always", device};
        const auto purpose = fmt::format("make a partition table on '{}'", device);
        (void)co_await site.run("sfdisk", std::move(arguments), purpose, fmt::format("label: {}\n", label_of(*pool)));
    }

    Task<> start(Definition pool, Site site) const override {
        const auto table = co_await read_table(pool, site);
        const std::string label(json::parse(table).at("partitiontable").at("label").as_string());
        if (label != label_of(*pool))
            throw Error(
                ErrorCode::operation_failed, ErrorDomain::storage,
                fmt::format(
                    "operation failed: '{}' has a partition table of format '{}', the pool is defined with '{}'",
                    device_of(*pool), label, *pool->source.format))
                .hint(fmt::format("say so in <source><format type='...'/>, or make another table with 'domus "
                                  "pool-build {} --overwrite'",
                                  pool->name));
    }

    Task<Contents> look(Definition pool, Site site) const override {
        const auto found = co_await partitions(pool, site);
        auto work = [pool, found] { return describe(*pool, found); };
        auto contents = co_await site.block(std::move(work));
        co_return contents;
    }

    Task<> create(Definition pool, model::Volume wanted, unsigned flags, Site site) const override {
        if (flags) unsupported("preallocation of metadata");
        admit_block_volume(wanted);
        const auto before = co_await partitions(pool, site);
        const auto expected = next_name(*pool, before);
        if (wanted.name != expected)
            throw Error(
                ErrorCode::invalid_arg, ErrorDomain::storage,
                fmt::format("invalid argument: invalid partition name '{}', expected '{}'", wanted.name, expected))
                .hint("the kernel names partitions; a volume has the name of its partition");
        constexpr std::uint64_t alignment = 1u << 20;
        const auto whole = wanted.capacity->bytes / alignment + (wanted.capacity->bytes % alignment != 0);
        std::vector<std::string> arguments{"-q", "--append", "--wipe-partitions", "always", device_of(*pool)};
        const auto purpose = fmt::format("make partition '{}'", wanted.name);
        (void)co_await site.run(
            "sfdisk", std::move(arguments), purpose,
            fmt::format("size={}MiB\n", whole)); // a plain number would be sectors, which not all have 512 bytes
        const auto path = (fs::path(device_of(*pool)).parent_path() / expected).string();
        auto settling = settle_device(path, wanted.target.permissions, site);
        co_await or_undo(std::move(settling), take_away(pool, expected, site));
    }

    Task<> copy(Definition pool, model::Volume wanted, Origin from, unsigned flags, Site site) const override {
        if (flags & create_flag::reflink) unsupported("reflinks");
        const auto size = from.volume->capacity.value_or(ByteCount{0});
        if (wanted.capacity.value_or(ByteCount{0}) < size) wanted.capacity = size;
        const auto name = wanted.name;
        co_await create(pool, std::move(wanted), flags, site);
        auto filling = fill_device((fs::path(device_of(*pool)).parent_path() / name).string(), std::move(from), site);
        co_await or_undo(std::move(filling), take_away(pool, name, site));
    }

    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned, Site site) const override {
        return take_away(std::move(pool), volume->name, std::move(site));
    }

private:
    static Task<> take_away(Definition pool, std::string volume, Site site) {
        const auto digits = volume.find_last_not_of("0123456789") + 1;
        std::vector<std::string> arguments{"-q", "--delete", device_of(*pool), volume.substr(digits)};
        (void)co_await site.run("sfdisk", std::move(arguments), fmt::format("delete partition '{}'", volume));
    }

    /// The partition table, as sfdisk tells it in JSON.
    static Task<std::string> read_table(Definition pool, Site site) {
        std::vector<std::string> arguments{"--json", device_of(*pool)};
        const auto purpose = fmt::format("read the partition table of '{}'", device_of(*pool));
        auto table = co_await site.run("sfdisk", std::move(arguments), purpose);
        co_return table;
    }

    static Task<std::vector<Partition>> partitions(Definition pool, Site site) {
        const auto table = co_await read_table(std::move(pool), std::move(site));
        auto found = partitions_in(table);
        co_return found;
    }

    /// "sdb3" behind "sdb1" and "sdb2"; "nvme0n1p1" on an empty device whose name ends with a digit.
    static std::string next_name(const model::Pool& pool, const std::vector<Partition>& there) {
        const auto device = fs::path(device_of(pool)).filename().string();
        const bool separated =
            pool.source.devices[0].part_separator.value_or(device.back() >= '0' && device.back() <= '9');
        for (int number = 1;; ++number) {
            auto name = fmt::format("{}{}{}", device, separated ? "p" : "", number);
            if (std::ranges::none_of(there,
                                     [&](const Partition& each) { return fs::path(each.node).filename() == name; }))
                return name;
        }
    }

    static Contents describe(const model::Pool& pool, const std::vector<Partition>& found) {
        Contents contents;
        contents.capacity = {size_of(device_of(pool))};
        for (const auto& each : found) {
            if (each.extended) continue; // it only holds others
            const auto name = fs::path(each.node).filename().string();
            auto volume = read_block_volume(each.node, name, each.node);
            volume.target.format = "none";
            auto& device = volume.devices.emplace_back();
            device.path = device_of(pool);
            auto& extent = device.extents.emplace_back();
            extent.start = each.start;
            extent.end = each.start + each.bytes;
            contents.allocation.bytes += each.bytes;
            contents.volumes.push_back(std::move(volume));
        }
        contents.available = {contents.capacity.bytes - std::min(contents.capacity.bytes, contents.allocation.bytes)};
        return contents;
    }
};

} // namespace

const Kind& kind_disk() {
    static const Disk kind;
    return kind;
}

} // namespace domus::storage
