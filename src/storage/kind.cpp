#include "storage/kind.hpp"

#include "storage/wipe.hpp"

#include <fmt/format.h>

namespace domus::storage {

namespace {

Error elsewhere(const model::Volume& volume) {
    return Error(ErrorCode::no_support, ErrorDomain::storage,
                 fmt::format("this function is not supported by the connection driver: volume '{}' is not on this host",
                             volume.name));
}

} // namespace

void Kind::unsupported(std::string_view what) const {
    throw Error(
        ErrorCode::no_support, ErrorDomain::storage,
        fmt::format("this function is not supported by the connection driver: storage pool does not support {}", what))
        .hint(fmt::format("pools of type '{}' cannot do that", name()));
}

Task<Contents> Kind::look_again(Definition pool, Known, Site site) const {
    return look(std::move(pool), std::move(site));
}

Task<> Kind::build(Definition, unsigned, Site) const { co_return; }
Task<> Kind::stop(Definition, Site) const { co_return; }
Task<> Kind::remove(Definition, Site) const {
    unsupported("pool deletion");
    co_return;
}
Task<std::vector<model::PoolSource>> Kind::find_sources(model::PoolSource, Site) const {
    throw Error(
        ErrorCode::no_support, ErrorDomain::storage,
        fmt::format(
            "this function is not supported by the connection driver: pool type '{}' does not support source discovery",
            name()));
    co_return std::vector<model::PoolSource>();
}
Task<model::Volume> Kind::look_at(Definition pool, std::string volume, Site site) const {
    auto contents = co_await look(std::move(pool), std::move(site));
    for (auto& each : contents.volumes)
        if (each.name == volume) co_return std::move(each);
    throw Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                fmt::format("Storage volume not found: no storage vol with matching name '{}'", volume));
}
Task<> Kind::remove_volume(Definition, VolumePtr, unsigned, Site) const {
    unsupported("vol deletion");
    co_return;
}
Task<> Kind::create(Definition, model::Volume, unsigned, Site) const {
    unsupported("volume creation");
    co_return;
}
Task<> Kind::copy(Definition, model::Volume, Origin, unsigned, Site) const {
    unsupported("volume creation from an existing volume");
    co_return;
}
Task<> Kind::wipe(Definition, VolumePtr volume, unsigned algorithm, Site site) const {
    return storage::wipe(*volume->target.path, algorithm, std::move(site));
}
Task<> Kind::resize(Definition, VolumePtr, ByteCount, unsigned, Site) const {
    unsupported("changing of volume capacity");
    co_return;
}
Task<std::string> Kind::image_name(Definition, VolumePtr volume, std::string, std::shared_ptr<Command>, Site) const {
    throw elsewhere(*volume);
    co_return std::string();
}
Task<> Kind::require_answer(Definition, Site) const { co_return; }
Task<std::shared_ptr<VolumeData>> Kind::open(Definition, VolumePtr volume, Site) const {
    throw elsewhere(*volume);
    co_return std::shared_ptr<VolumeData>();
}

Place Kind::place(const model::Pool&, const model::Volume& volume, std::optional<model::VolumeMode> mode) const {
    if (mode)
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    "XML error: disk source mode is only valid when storage pool is of iscsi type")
            .hint(fmt::format("leave mode='{}' out: the pool is of type '{}'", format::word(*mode), name()));
    Place place{model::DiskType::file, {}};
    switch (volume.type.value_or(model::VolumeType::file)) {
    case model::VolumeType::file:
        place.source.file = volume.target.path;
        return place;
    case model::VolumeType::block:
        place.type = model::DiskType::block;
        place.source.dev = volume.target.path;
        return place;
    case model::VolumeType::dir:
        place.type = model::DiskType::dir;
        place.source.dir = volume.target.path;
        return place;
    case model::VolumeType::network:
    case model::VolumeType::netdir:
    case model::VolumeType::ploop:
        break;
    }
    throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                fmt::format("unsupported configuration: volume '{}' of type '{}' cannot be the disk of a domain",
                            volume.name, format::word(*volume.type)));
}

const Kind* find_kind(std::string_view name) {
    for (const auto* kind : all_kinds())
        if (kind->name() == name) return kind;
    return nullptr;
}

const Kind& kind_of_folders() {
    for (const auto* kind : all_kinds())
        if (kind->info().reach == Reach::folder) return *kind;
    throw Error(ErrorCode::internal_error, ErrorDomain::storage, "this build has no kind of pool for folders");
}

} // namespace domus::storage
