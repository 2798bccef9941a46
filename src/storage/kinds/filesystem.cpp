// Pool type 'fs': a file system on a block device of the host, mounted while the pool is active.
#include "storage/block_volume.hpp"
#include "storage/folder_kind.hpp"
#include "storage/mounts.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace domus::storage {

namespace {

/// What a file system of a guest's making could do to the host is left out.
const std::vector<std::string> safe_options{"nodev", "nosuid", "noexec"};

std::vector<std::string> options_of(const model::Pool& pool) {
    auto options = safe_options;
    for (const auto& option : pool.mount_options) options.push_back(option.name);
    return options;
}

std::string format_of(const model::Pool& pool) { return pool.source.format.value_or("auto"); }

class Filesystem final : public FolderKind {
public:
    Filesystem()
        : FolderKind({
              .name = "fs",
              .about = "a file system on a device, mounted while the pool is active, and the files in it",
              .can = abilities_of<Kind, Filesystem>(),
              .needs = {{"mkfs.btrfs", {"btrfs-progs"}},
                        {"mkfs.ext4", {"e2fsprogs"}},
                        {"mkfs.vfat", {"dosfstools"}},
                        {"mkfs.xfs", {"xfsprogs"}}},
              .source_formats = {"auto", "ext2", "ext3", "ext4", "ufs", "iso9660", "udf", "gfs", "gfs2", "vfat", "hfs+",
                                 "xfs", "ocfs2", "vmfs", "btrfs"},
          }) {}

    void admit(model::Pool& pool) const override {
        admit_target(pool);
        if (pool.source.devices.size() != 1 || pool.source.devices[0].path.empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        "XML error: missing storage pool source device name")
                .hint("write <source><device path='/dev/sdb1'/></source>");
        if (!pool.source.format) pool.source.format = "auto";
    }

    std::string source(const model::Pool& pool) const override { return device_source(pool.source.devices[0].path); }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        const auto format = format_of(*pool);
        if (flags && format == "auto")
            throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                        "Requested operation is not valid: No source format specified for pool, nothing can be made")
                .hint("write <source><format type='ext4'/></source>");
        auto folder = [pool] { make_folder(*pool); };
        co_await site.block(std::move(folder));
        if (flags) co_await make(std::move(pool), flags, std::move(site));
    }

    Task<> start(Definition pool, Site site) const override {
        auto look = [pool] { require_folder(*pool); };
        co_await site.block(std::move(look));
        auto type = format_of(*pool);
        if (type == "auto") type.clear();
        auto mounting = mount(pool->source.devices[0].path, *pool->target, std::move(type), options_of(*pool), site);
        co_await std::move(mounting);
    }

    Task<> stop(Definition pool, Site site) const override { return unmount(*pool->target, std::move(site)); }

private:
    /// Makes the file system; without `overwrite` only where there is none.
    static Task<> make(Definition pool, unsigned flags, Site site) {
        const auto device = pool->source.devices[0].path;
        auto look = [device, pool] {
            if (!std::filesystem::exists(device))
                throw Error(
                    ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format(
                        "Requested operation is not valid: Source device does not exist when formatting pool '{}'",
                        pool->name));
        };
        co_await site.block(std::move(look));
        if (!(flags & build_flag::overwrite)) co_await require_blank(device, site);
        const auto format = format_of(*pool);
        Command command("mkfs." + format);
        command.death_signal = SIGTERM;
        auto& arguments = command.arguments;
        if (format == "xfs" || format == "btrfs")
            arguments.emplace_back("-f");
        else if (format.starts_with("ext"))
            arguments.insert(arguments.end(), {"-q", "-F"});
        arguments.push_back(device);
        const auto purpose = fmt::format("make a file system on '{}'", device);
        (void)co_await site.cancellable().run(std::move(command), purpose);
    }
};

} // namespace

const Kind& kind_filesystem() {
    static const Filesystem kind;
    return kind;
}

} // namespace domus::storage
