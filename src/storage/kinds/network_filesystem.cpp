// Pool type 'netfs': what a server exports by NFS or CIFS (or Gluster, through its mount helper), mounted while the pool
// is active.
#include "base/host_address.hpp"
#include "storage/folder_kind.hpp"
#include "storage/mounts.hpp"
#include "storage/needs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace domus::storage {

namespace {

std::string format_of(const model::Pool& pool) { return pool.source.format.value_or("auto"); }

/// As mount(8) wants it.
std::string remote_of(const model::Pool& pool) {
    const auto& host = pool.source.hosts[0].name;
    const auto& folder = *pool.source.dir;
    if (format_of(pool) == "cifs")
        return fmt::format("//{}/{}", host, folder.starts_with('/') ? folder.substr(1) : folder);
    return fmt::format("{}:{}", bracketed(host), folder);
}

/// Whether the options of mount.cifs(8) say who logs in.
bool names_a_user(const std::vector<model::MountOption>& options) {
    constexpr std::string_view keys[] = {"user=", "username=", "credentials=", "cred=", "sec="};
    return std::ranges::any_of(options, [&](const auto& option) {
        return std::ranges::any_of(keys, [&](std::string_view key) { return option.name.starts_with(key); });
    });
}

class NetworkFilesystem final : public FolderKind {
public:
    NetworkFilesystem()
        : FolderKind({
              .name = "netfs",
              .about = "what a server exports by NFS or CIFS, mounted while the pool is active, and the files in it",
              .can = abilities_of<Kind, NetworkFilesystem>(),
              .needs = {{"showmount", {"nfs-common"}},
                        {"mount.nfs", {"nfs-common"}},
                        {"mount.cifs", {"cifs-utils"}},
                        {"mount.glusterfs", {"glusterfs-client"}}},
              .source_formats = {"auto", "nfs", "glusterfs", "cifs"},
          }) {}

    void admit(model::Pool& pool) const override {
        admit_target(pool);
        if (pool.source.hosts.size() != 1 || pool.source.hosts[0].name.empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool source host name")
                .hint("write <source><host name='server'/><dir path='/export'/></source>");
        if (!pool.source.dir || pool.source.dir->empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing storage pool source path")
                .hint("write <source><host name='server'/><dir path='/export'/></source>");
        if (!pool.source.format) pool.source.format = "auto";
        if (pool.source.protocol_version && format_of(pool) != "nfs")
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        "XML error: storage pool protocol ver unsupported for pool type 'netfs'")
                .hint("<protocol ver='4'/> goes with <format type='nfs'/>");
    }

    std::string source(const model::Pool& pool) const override { return "export " + remote_of(pool); }

    Task<> build(Definition pool, unsigned flags, Site site) const override {
        refuse_formatting(*pool, flags);
        auto work = [pool] { make_folder(*pool); };
        return site.block(std::move(work));
    }

    Task<> start(Definition pool, Site site) const override {
        auto look = [pool] {
            // Where a server is gone, looking below the folder would hang: it is asked only before something is mounted.
            if (!mounted_at(*pool->target)) require_folder(*pool);
        };
        co_await site.block(std::move(look));
        auto type = format_of(*pool);
        if (type == "auto")
            type.clear();
        else
            require_needed("mount." + type); // mount(8) alone would only hint at what it lacks
        std::vector<std::string> options{"nodev", "nosuid", "noexec"};
        if (type == "cifs") {
            if (!names_a_user(pool->mount_options)) options.emplace_back("guest");
            // At the server a lock keeps other descriptors of this host from reading and writing those bytes. QEMU's locks
            // on an image only describe it: they stay here.
            options.emplace_back("nobrl");
        }
        if (pool->source.protocol_version) options.push_back("nfsvers=" + *pool->source.protocol_version);
        for (const auto& option : pool->mount_options) options.push_back(option.name);
        auto mounting = mount(remote_of(*pool), *pool->target, std::move(type), std::move(options), site);
        co_await std::move(mounting);
    }

    Task<> stop(Definition pool, Site site) const override { return unmount(*pool->target, std::move(site)); }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource wanted, Site site) const override {
        if (wanted.hosts.size() != 1)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: hostname must be specified for netfs sources")
                .hint("domus find-storage-pool-sources-as netfs SERVER");
        const auto host = wanted.hosts[0];
        std::vector<std::string> arguments{"--no-headers", "--exports", host.name};
        const auto purpose = fmt::format("ask '{}' what it exports", host.name);
        const auto exports = co_await site.run("showmount", std::move(arguments), purpose);
        std::vector<model::PoolSource> sources;
        std::istringstream lines(exports);
        for (std::string line, folder; std::getline(lines, line);) {
            if (!(std::istringstream(line) >> folder)) continue;
            auto& source = sources.emplace_back();
            source.hosts.push_back(host);
            source.dir = folder;
            source.format = wanted.format.value_or("nfs");
        }
        co_return sources;
    }
};

} // namespace

const Kind& kind_network_filesystem() {
    static const NetworkFilesystem kind;
    return kind;
}

} // namespace domus::storage
