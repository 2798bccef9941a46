// Procedures on volumes of storage pools. Their contents are transferred in transfers.cpp.
#include "wire/storage_values.hpp"

#include "wire/flags.hpp"
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::VolumeOperations;
using service::VolumeView;

StorageVol to_wire(const VolumeView& view) { return wire::to_wire(view.pool, *view.volume); }

/// virStorageVolType.
std::int32_t type_of(const model::Volume& volume) {
    return static_cast<std::int32_t>(volume.type.value_or(model::VolumeType::file));
}

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, StoragePool pool) {
        return door.perform<&VolumeOperations::list>(session.caller(), from_wire(std::move(pool)));
    };
    on.on<Procedure::storage_pool_num_of_volumes>(
        [list](SessionPtr session, StoragePoolNumOfVolumesArgs args) -> Task<StoragePoolNumOfVolumesRet> {
            const auto volumes = co_await list(*session, std::move(args.pool));
            co_return StoragePoolNumOfVolumesRet{static_cast<std::int32_t>(volumes.size())};
        });
    on.on<Procedure::storage_pool_list_volumes>(
        [list](SessionPtr session, StoragePoolListVolumesArgs args) -> Task<StoragePoolListVolumesRet> {
            const auto volumes = co_await list(*session, std::move(args.pool));
            const auto most = static_cast<std::size_t>(std::max(args.maxnames, 0));
            StoragePoolListVolumesRet ret;
            for (const auto& view : volumes)
                if (ret.names.size() < most) ret.names.push_back(view.volume->name);
            co_return ret;
        });
    on.on<Procedure::storage_pool_list_all_volumes>(
        [list](SessionPtr session, StoragePoolListAllVolumesArgs args) -> Task<StoragePoolListAllVolumesRet> {
            no_flags(args.flags, "virStoragePoolListAllVolumes");
            const auto volumes = co_await list(*session, std::move(args.pool));
            StoragePoolListAllVolumesRet ret;
            ret.ret = static_cast<std::uint32_t>(volumes.size());
            if (!args.need_results) co_return ret;
            for (const auto& view : volumes) ret.vols.push_back(to_wire(view));
            co_return ret;
        });
}

void serve_lookups(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_vol_lookup_by_name>(
        [&](SessionPtr session, StorageVolLookupByNameArgs args) -> Task<StorageVolLookupByNameRet> {
            const auto view = co_await door.perform<&VolumeOperations::lookup_by_name>(
                session->caller(), from_wire(std::move(args.pool)), std::move(args.name));
            co_return StorageVolLookupByNameRet{to_wire(view)};
        });
    on.on<Procedure::storage_vol_lookup_by_key>(
        [&](SessionPtr session, StorageVolLookupByKeyArgs args) -> Task<StorageVolLookupByKeyRet> {
            const auto view =
                co_await door.perform<&VolumeOperations::lookup_by_key>(session->caller(), std::move(args.key));
            co_return StorageVolLookupByKeyRet{to_wire(view)};
        });
    on.on<Procedure::storage_vol_lookup_by_path>(
        [&](SessionPtr session, StorageVolLookupByPathArgs args) -> Task<StorageVolLookupByPathRet> {
            const auto view =
                co_await door.perform<&VolumeOperations::lookup_by_path>(session->caller(), std::move(args.path));
            co_return StorageVolLookupByPathRet{to_wire(view)};
        });
}

void serve_looking(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_vol_get_path>([&](Session& session, const StorageVolGetPathArgs& args) {
        const auto volume = door.perform<&VolumeOperations::known>(session.caller(), from_wire(args.vol));
        return StorageVolGetPathRet{volume->target.path.value_or("")};
    });
    on.on<Procedure::storage_vol_get_info>(
        [&](SessionPtr session, StorageVolGetInfoArgs args) -> Task<StorageVolGetInfoRet> {
            const auto volume =
                co_await door.perform<&VolumeOperations::look>(session->caller(), from_wire(std::move(args.vol)));
            StorageVolGetInfoRet ret;
            ret.type = type_of(*volume);
            ret.capacity = volume->capacity.value_or(ByteCount{0}).bytes;
            ret.allocation = volume->allocation.value_or(ByteCount{0}).bytes;
            co_return ret;
        });
    on.on<Procedure::storage_vol_get_info_flags>(
        [&](SessionPtr session, StorageVolGetInfoFlagsArgs args) -> Task<StorageVolGetInfoFlagsRet> {
            using service::VolumeInfoFlag;
            const auto what = flags<VolumeInfoFlag>(args.flags, "virStorageVolGetInfoFlags");
            const auto volume =
                co_await door.perform<&VolumeOperations::look>(session->caller(), from_wire(std::move(args.vol)));
            const auto& used = what.has(VolumeInfoFlag::physical) ? volume->physical : volume->allocation;
            StorageVolGetInfoFlagsRet ret;
            ret.type = type_of(*volume);
            ret.capacity = volume->capacity.value_or(ByteCount{0}).bytes;
            ret.allocation = used.value_or(ByteCount{0}).bytes;
            co_return ret;
        });
    on.on<Procedure::storage_vol_get_xml_desc>(
        [&](SessionPtr session, StorageVolGetXmlDescArgs args) -> Task<StorageVolGetXmlDescRet> {
            no_flags(args.flags, "virStorageVolGetXMLDesc");
            auto xml = co_await door.perform<&VolumeOperations::xml>(session->caller(), from_wire(std::move(args.vol)));
            co_return StorageVolGetXmlDescRet{std::move(xml)};
        });
}

void serve_creation(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_vol_create_xml>(
        [&](SessionPtr session, StorageVolCreateXmlArgs args) -> Task<StorageVolCreateXmlRet> {
            const auto how = flags<service::VolumeCreateFlag>(args.flags, "virStorageVolCreateXML");
            const auto view = co_await door.perform<&VolumeOperations::create>(
                session->caller(), from_wire(std::move(args.pool)), std::move(args.xml), how);
            co_return StorageVolCreateXmlRet{to_wire(view)};
        });
    on.on<Procedure::storage_vol_create_xml_from>(
        [&](SessionPtr session, StorageVolCreateXmlFromArgs args) -> Task<StorageVolCreateXmlFromRet> {
            const auto how = flags<service::VolumeCopyFlag>(args.flags, "virStorageVolCreateXMLFrom");
            auto from = from_wire(std::move(args.clonevol));
            const auto view = co_await door.perform<&VolumeOperations::copy>(
                session->caller(), from_wire(std::move(args.pool)), std::move(args.xml), std::move(from), how);
            co_return StorageVolCreateXmlFromRet{to_wire(view)};
        });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_vol_delete>([&](SessionPtr session, StorageVolDeleteArgs args) -> Task<> {
        const auto how = flags<service::VolumeDeleteFlag>(args.flags, "virStorageVolDelete");
        return door.perform<&VolumeOperations::remove>(session->caller(), from_wire(std::move(args.vol)), how);
    });
    on.on<Procedure::storage_vol_resize>([&](SessionPtr session, StorageVolResizeArgs args) -> Task<> {
        const auto how = flags<service::VolumeResizeFlag>(args.flags, "virStorageVolResize");
        return door.perform<&VolumeOperations::resize>(session->caller(), from_wire(std::move(args.vol)), args.capacity,
                                                       how);
    });
    on.on<Procedure::storage_vol_wipe>([&](SessionPtr session, StorageVolWipeArgs args) -> Task<> {
        no_flags(args.flags, "virStorageVolWipePattern");
        constexpr unsigned zeros = 0; // VIR_STORAGE_VOL_WIPE_ALG_ZERO
        return door.perform<&VolumeOperations::wipe>(session->caller(), from_wire(std::move(args.vol)), zeros);
    });
    on.on<Procedure::storage_vol_wipe_pattern>([&](SessionPtr session, StorageVolWipePatternArgs args) -> Task<> {
        no_flags(args.flags, "virStorageVolWipePattern");
        return door.perform<&VolumeOperations::wipe>(session->caller(), from_wire(std::move(args.vol)), args.algorithm);
    });
}

} // namespace

void serve_volumes(Dispatcher& on, Door& door) {
    serve_lists(on, door);
    serve_lookups(on, door);
    serve_looking(on, door);
    serve_creation(on, door);
    serve_changing(on, door);
}

} // namespace domus::wire
