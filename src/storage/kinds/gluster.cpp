// Pool type 'gluster': a volume of Gluster, or a folder of it, and the files in it. As with libvirt, volumes are listed,
// deleted and used by domains, which QEMU reaches them for; they are made by other means, or in a pool that mounts it.
#include "base/host_address.hpp"
#include "format/xml.hpp"
#include "image/header.hpp"
#include "storage/conversion.hpp"
#include "storage/gluster_listing.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace domus::storage {

namespace {

namespace json = boost::json;

/// What 'gluster --xml volume info' tells.
struct KnownVolume {
    std::string name;
    format::Rest rest;
    static const format::Schema& schema() {
        static const format::Schema table =
            format::Describe<KnownVolume>("volume", "").field("name", &KnownVolume::name, "");
        return table;
    }
    bool operator==(const KnownVolume&) const = default;
};
struct KnownVolumes {
    std::vector<KnownVolume> volumes;
    format::Rest rest;
    static const format::Schema& schema() {
        static const format::Schema table =
            format::Describe<KnownVolumes>("cliOutput", "").field("volInfo/volumes/volume", &KnownVolumes::volumes);
        return table;
    }
    bool operator==(const KnownVolumes&) const = default;
};

/// As a part of an address.
std::string encoded(std::string_view path) {
    std::string text;
    for (const char c : path) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                           || std::string_view("/-._~").contains(c);
        if (plain)
            text += c;
        else
            text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return text;
}
std::string port_of(const model::PoolHost& host) { return std::to_string(host.port.value_or(gluster_port)); }

constexpr std::string_view setup =
    R"(Disks on it need the package qemu-block-extra too. Volumes are listed, used, deleted, and copied into other pools by
`vol-create-from`. To make volumes, mount the same Gluster volume in a pool that is a mounted export.
)";

class Gluster final : public Kind {
public:
    Gluster()
        : Kind({
              .name = "gluster",
              .about = "a volume of Gluster or a folder of it, and the files in it",
              .usage = setup,
              .can = abilities_of<Kind, Gluster>(),
              .reach = Reach::server,
              .needs = {{"libgfapi", {"libgfapi0"}}, {"gluster", {"glusterfs-cli"}}},
              .volume_formats = image::creatable_formats(),
              .block_driver = "gluster",
          }) {}

    void admit(model::Pool& pool) const override {
        const auto refuse = [](std::string_view what) {
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, fmt::format("XML error: {}", what))
                .hint("write <source><host name='server'/><dir path='/'/><name>volume</name></source>");
        };
        auto& source = pool.source;
        if (source.hosts.size() != 1 || source.hosts[0].name.empty())
            refuse("Expected exactly 1 host for the storage pool");
        if (!source.name || source.name->empty()) refuse("missing mandatory 'name' field for Gluster volume");
        if (source.name->find('/') != std::string::npos)
            refuse(fmt::format("gluster pool name '{}' must not contain /", *source.name));
        if (!source.dir || source.dir->empty()) source.dir = "/";
        if (!source.dir->starts_with('/')) refuse(fmt::format("gluster pool path '{}' must start with /", *source.dir));
        source.dir = std::filesystem::path(*source.dir).lexically_normal().string();
        pool.target.reset();
    }

    std::string source(const model::Pool& pool) const override {
        const auto& host = pool.source.hosts[0];
        return fmt::format("folder {} of Gluster volume '{}' at {}:{}", folder_of(pool), *pool.source.name, host.name,
                           port_of(host));
    }

    Task<> start(Definition, Site) const override { co_return; } // the look that follows enters it

    Task<Contents> look(Definition pool, Site site) const override {
        const auto document = co_await ask(pool, "look", folder_of(*pool),
                                           fmt::format("look into Gluster volume '{}'", *pool->source.name), site);
        auto listing = format::from_xml<GlusterListing>(document, ErrorDomain::storage);
        Contents contents;
        contents.capacity = listing.capacity;
        contents.available = listing.available;
        contents.allocation = {listing.capacity.bytes - std::min(listing.capacity.bytes, listing.available.bytes)};
        for (auto& volume : listing.volumes) contents.volumes.push_back(as_network(*pool, std::move(volume)));
        co_return contents;
    }

    Task<> remove_volume(Definition pool, VolumePtr volume, unsigned, Site site) const override {
        if (volume->type != model::VolumeType::network)
            unsupported(fmt::format("removing of '{}' volumes", format::word(*volume->type)));
        (void)co_await ask(pool, "remove", folder_of(*pool) + volume->name,
                           fmt::format("delete volume '{}'", volume->name), site);
    }

    Task<> wipe(Definition, VolumePtr, unsigned, Site) const override {
        unsupported("volume wiping");
        co_return;
    }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource wanted, Site site) const override {
        if (wanted.hosts.size() != 1)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: hostname must be specified for gluster sources")
                .hint("domus find-storage-pool-sources-as gluster SERVER");
        const auto host = wanted.hosts[0];
        std::vector<std::string> arguments{"--xml", "--log-file=/dev/null",      "volume", "info",
                                           "all",   "--remote-host=" + host.name};
        const auto document =
            co_await site.run("gluster", std::move(arguments), fmt::format("ask '{}' for its volumes", host.name));
        std::vector<model::PoolSource> sources;
        for (const auto& volume : format::from_xml<KnownVolumes>(document, ErrorDomain::storage).volumes) {
            auto& source = sources.emplace_back();
            source.hosts.push_back(host);
            source.dir = "/";
            source.name = volume.name;
        }
        co_return sources;
    }

    Task<std::string> image_name(Definition pool, VolumePtr volume, std::string, std::shared_ptr<Command>,
                                 Site) const override {
        if (volume->type != model::VolumeType::network || volume->target.encryption)
            unsupported("copies of encrypted volumes and of folders");
        // By its address: what lies below it is named relative to that.
        const auto& host = pool->source.hosts[0];
        const json::object file{
            {"driver", "gluster"},
            {"filename", fmt::format("gluster://{}:{}/{}{}{}", bracketed(host.name), port_of(host),
                                     encoded(*pool->source.name), encoded(folder_of(*pool)), encoded(volume->name))}};
        const json::object image{{"driver", volume->target.format.value_or("raw")}, {"file", file}};
        co_return node_name(image);
    }

    Place place(const model::Pool& pool, const model::Volume& volume,
                std::optional<model::VolumeMode> mode) const override {
        if (mode || volume.type != model::VolumeType::network) return Kind::place(pool, volume, mode);
        Place place{model::DiskType::network, {}};
        place.source.protocol = "gluster";
        place.source.name = volume.target.path;
        auto& server = place.source.hosts.emplace_back();
        server.name = pool.source.hosts[0].name;
        server.port = pool.source.hosts[0].port;
        return place;
    }

private:
    /// With a slash at its end.
    static std::string folder_of(const model::Pool& pool) {
        return pool.source.dir->ends_with('/') ? *pool.source.dir : *pool.source.dir + '/';
    }

    static model::Volume as_network(const model::Pool& pool, model::Volume volume) {
        const auto& host = pool.source.hosts[0];
        const bool folder = volume.type == model::VolumeType::dir;
        volume.type = folder ? model::VolumeType::netdir : model::VolumeType::network;
        volume.key =
            fmt::format("gluster://{}{}/{}", host.name, host.port ? ":" + port_of(host) : "", *volume.target.path);
        return volume;
    }

    /// By a program, which can be left behind.
    static Task<std::string> ask(Definition pool, std::string what, std::string path, std::string purpose, Site site) {
        const auto& host = pool->source.hosts[0];
        auto command = gluster_command(std::move(what), host.name, host.port, *pool->source.name, std::move(path));
        CommandOutput output;
        try {
            output = co_await site.attempt(std::move(command));
        } catch (Error& error) {
            error.prefix("cannot " + purpose);
            throw;
        }
        if (output.status.success()) co_return std::move(output.out);
        if (output.status.code == gluster_library_missing)
            throw Error(ErrorCode::no_support, ErrorDomain::storage,
                        fmt::format("cannot {}: Gluster's library is not installed", purpose))
                .because(output.err)
                .hint("install it with 'apt install libgfapi0'");
        throw Error(ErrorCode::internal_error, ErrorDomain::storage,
                    fmt::format("cannot {}: it {}", purpose, output.status.text()))
            .because(output.err.empty() ? "it said nothing" : output.err)
            .hint(fmt::format("look whether the volume is started: 'gluster volume status {}'", *pool->source.name));
    }
};

} // namespace

const Kind& kind_gluster() {
    static const Gluster kind;
    return kind;
}

} // namespace domus::storage
