// Procedures on storage pools and volumes.
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

#include "format/xml.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::PoolRef;
using service::PoolView;
using service::StorageOperations;
using service::VolumePtr;
using service::VolumeRef;

constexpr unsigned inactive = 1, active = 2; // virConnectListAllStoragePoolsFlags

StoragePool to_wire(const PoolRef& ref) {
    StoragePool pool;
    pool.name = ref.name;
    pool.uuid = ref.uuid;
    return pool;
}

StorageVol to_wire(const std::string& pool, const model::Volume& volume) {
    StorageVol out;
    out.pool = pool;
    out.name = volume.name;
    out.key = volume.key.value_or("");
    return out;
}

PoolRef from_wire(StoragePool pool) { return {std::move(pool.name), pool.uuid}; }
VolumeRef from_wire(StorageVol volume) {
    return {std::move(volume.pool), std::move(volume.name), std::move(volume.key)};
}

std::vector<std::string> names_of(const std::vector<PoolView>& views, std::int32_t most) {
    std::vector<std::string> names;
    for (const auto& view : views)
        if (names.size() < static_cast<std::size_t>(std::max(most, 0))) names.push_back(view.ref.name);
    return names;
}

/// virStorageVolType.
std::int32_t type_of(const model::Volume& volume) {
    return static_cast<std::int32_t>(volume.type.value_or(model::VolumeType::file));
}

/// The pool with what has changed in its storage taken in.
Task<PoolView> fresh(StorageOperations& storage, PoolRef ref) {
    const auto name = storage.get(ref).ref.name;
    co_await storage.freshen(name);
    co_return storage.get(ref);
}

void serve_pools(Dispatcher& on, StorageOperations& storage) {
    on.on<Procedure::connect_list_all_storage_pools>([&](Session&, const ConnectListAllStoragePoolsArgs& args) {
        ConnectListAllStoragePoolsRet ret;
        for (const auto& view : storage.list(args.flags)) ret.pools.push_back(to_wire(view.ref));
        ret.ret = static_cast<std::uint32_t>(ret.pools.size());
        if (!args.need_results) ret.pools.clear();
        return ret;
    });
    on.on<Procedure::connect_num_of_storage_pools>([&](Session&, const Nothing&) {
        return ConnectNumOfStoragePoolsRet{static_cast<std::int32_t>(storage.list(active).size())};
    });
    on.on<Procedure::connect_list_storage_pools>([&](Session&, const ConnectListStoragePoolsArgs& args) {
        return ConnectListStoragePoolsRet{names_of(storage.list(active), args.maxnames)};
    });
    on.on<Procedure::connect_num_of_defined_storage_pools>([&](Session&, const Nothing&) {
        return ConnectNumOfDefinedStoragePoolsRet{static_cast<std::int32_t>(storage.list(inactive).size())};
    });
    on.on<Procedure::connect_list_defined_storage_pools>([&](Session&, const ConnectListDefinedStoragePoolsArgs& args) {
        return ConnectListDefinedStoragePoolsRet{names_of(storage.list(inactive), args.maxnames)};
    });
    on.on<Procedure::storage_pool_lookup_by_name>([&](Session&, const StoragePoolLookupByNameArgs& args) {
        return StoragePoolLookupByNameRet{to_wire(storage.get_name(args.name).ref)};
    });
    on.on<Procedure::storage_pool_lookup_by_uuid>([&](Session&, const StoragePoolLookupByUuidArgs& args) {
        return StoragePoolLookupByUuidRet{to_wire(storage.get({{}, args.uuid}).ref)};
    });
    on.on<Procedure::storage_pool_lookup_by_volume>([&](Session&, const StoragePoolLookupByVolumeArgs& args) {
        return StoragePoolLookupByVolumeRet{to_wire(storage.get_name(args.vol.pool).ref)};
    });
    on.on<Procedure::storage_pool_get_info>(
        [&](SessionPtr, StoragePoolGetInfoArgs args) -> Task<StoragePoolGetInfoRet> {
            constexpr std::uint32_t state_inactive = 0, state_running = 2; // virStoragePoolState
            const auto view = co_await fresh(storage, from_wire(std::move(args.pool)));
            StoragePoolGetInfoRet ret;
            ret.state = view.active ? state_running : state_inactive;
            if (!view.active) co_return ret;
            ret.capacity = view.live->capacity.value_or(ByteCount{0}).bytes;
            ret.allocation = view.live->allocation.value_or(ByteCount{0}).bytes;
            ret.available = view.live->available.value_or(ByteCount{0}).bytes;
            co_return ret;
        });
    on.on<Procedure::storage_pool_lookup_by_target_path>([&](Session&, const StoragePoolLookupByTargetPathArgs& args) {
        return StoragePoolLookupByTargetPathRet{to_wire(storage.get_target(args.path).ref)};
    });
    on.on<Procedure::connect_find_storage_pool_sources>(
        [&](SessionPtr, ConnectFindStoragePoolSourcesArgs args) -> Task<ConnectFindStoragePoolSourcesRet> {
            auto xml =
                co_await storage.find_sources(std::move(args.type), args.src_spec.value_or(std::string()), args.flags);
            co_return ConnectFindStoragePoolSourcesRet{std::move(xml)};
        });
    on.on<Procedure::storage_pool_get_xml_desc>([&](Session&, const StoragePoolGetXmlDescArgs& args) {
        return StoragePoolGetXmlDescRet{storage.xml(from_wire(args.pool), args.flags)};
    });
    on.on<Procedure::storage_pool_get_autostart>([&](Session&, const StoragePoolGetAutostartArgs& args) {
        return StoragePoolGetAutostartRet{storage.get(from_wire(args.pool)).autostart};
    });
    on.on<Procedure::storage_pool_is_active>([&](Session&, const StoragePoolIsActiveArgs& args) {
        return StoragePoolIsActiveRet{storage.get(from_wire(args.pool)).active};
    });
    on.on<Procedure::storage_pool_is_persistent>([&](Session&, const StoragePoolIsPersistentArgs& args) {
        return StoragePoolIsPersistentRet{storage.get(from_wire(args.pool)).persistent};
    });
    on.on<Procedure::connect_get_storage_pool_capabilities>(
        [&](Session&, const ConnectGetStoragePoolCapabilitiesArgs& args) {
            return ConnectGetStoragePoolCapabilitiesRet{storage.capabilities(args.flags)};
        });
}

void serve_pool_changes(Dispatcher& on, StorageOperations& storage) {
    on.on<Procedure::storage_pool_define_xml>(
        [&](SessionPtr session, StoragePoolDefineXmlArgs args) -> Task<StoragePoolDefineXmlRet> {
            const auto view = co_await storage.define(session->caller(), std::move(args.xml), args.flags);
            co_return StoragePoolDefineXmlRet{to_wire(view.ref)};
        });
    on.on<Procedure::storage_pool_create_xml>(
        [&](SessionPtr session, StoragePoolCreateXmlArgs args) -> Task<StoragePoolCreateXmlRet> {
            const auto view = co_await storage.create_xml(session->caller(), std::move(args.xml), args.flags);
            co_return StoragePoolCreateXmlRet{to_wire(view.ref)};
        });
    on.on<Procedure::storage_pool_create>([&](SessionPtr session, StoragePoolCreateArgs args) -> Task<> {
        return storage.create(session->caller(), from_wire(std::move(args.pool)), args.flags);
    });
    on.on<Procedure::storage_pool_build>([&](SessionPtr session, StoragePoolBuildArgs args) -> Task<> {
        return storage.build(session->caller(), from_wire(std::move(args.pool)), args.flags);
    });
    on.on<Procedure::storage_pool_destroy>([&](SessionPtr session, StoragePoolDestroyArgs args) -> Task<> {
        return storage.destroy(session->caller(), from_wire(std::move(args.pool)));
    });
    on.on<Procedure::storage_pool_delete>([&](SessionPtr session, StoragePoolDeleteArgs args) -> Task<> {
        return storage.remove(session->caller(), from_wire(std::move(args.pool)), args.flags);
    });
    on.on<Procedure::storage_pool_undefine>([&](SessionPtr session, StoragePoolUndefineArgs args) -> Task<> {
        return storage.undefine(session->caller(), from_wire(std::move(args.pool)));
    });
    on.on<Procedure::storage_pool_refresh>([&](SessionPtr session, StoragePoolRefreshArgs args) -> Task<> {
        return storage.refresh(session->caller(), from_wire(std::move(args.pool)), args.flags);
    });
    on.on<Procedure::storage_pool_set_autostart>([&](SessionPtr session, StoragePoolSetAutostartArgs args) -> Task<> {
        return storage.set_autostart(session->caller(), from_wire(std::move(args.pool)), args.autostart != 0);
    });
}

void serve_volumes(Dispatcher& on, StorageOperations& storage) {
    on.on<Procedure::storage_pool_num_of_volumes>(
        [&](SessionPtr, StoragePoolNumOfVolumesArgs args) -> Task<StoragePoolNumOfVolumesRet> {
            const auto view = co_await fresh(storage, from_wire(std::move(args.pool)));
            co_return StoragePoolNumOfVolumesRet{static_cast<std::int32_t>(storage.volumes(view).size())};
        });
    on.on<Procedure::storage_pool_list_volumes>(
        [&](SessionPtr, StoragePoolListVolumesArgs args) -> Task<StoragePoolListVolumesRet> {
            const auto view = co_await fresh(storage, from_wire(std::move(args.pool)));
            StoragePoolListVolumesRet ret;
            for (const auto& [name, volume] : storage.volumes(view))
                if (ret.names.size() < static_cast<std::size_t>(std::max(args.maxnames, 0))) ret.names.push_back(name);
            co_return ret;
        });
    on.on<Procedure::storage_pool_list_all_volumes>(
        [&](SessionPtr, StoragePoolListAllVolumesArgs args) -> Task<StoragePoolListAllVolumesRet> {
            service::require_flags(args.flags, 0, "virStoragePoolListAllVolumes");
            const auto view = co_await fresh(storage, from_wire(std::move(args.pool)));
            StoragePoolListAllVolumesRet ret;
            const auto& volumes = storage.volumes(view);
            ret.ret = static_cast<std::uint32_t>(volumes.size());
            if (!args.need_results) co_return ret;
            for (const auto& [name, volume] : volumes) ret.vols.push_back(to_wire(view.ref.name, *volume));
            co_return ret;
        });
    on.on<Procedure::storage_vol_lookup_by_name>(
        [&](SessionPtr, StorageVolLookupByNameArgs args) -> Task<StorageVolLookupByNameRet> {
            const auto view = co_await fresh(storage, from_wire(std::move(args.pool)));
            VolumeRef ref;
            ref.pool = view.ref.name;
            ref.name = args.name;
            co_return StorageVolLookupByNameRet{to_wire(view.ref.name, *storage.volume_or_made(ref))};
        });
    on.on<Procedure::storage_vol_lookup_by_key>(
        [&](SessionPtr, StorageVolLookupByKeyArgs args) -> Task<StorageVolLookupByKeyRet> {
            co_await storage.freshen_all();
            const auto [pool, volume] = storage.find_key(args.key);
            co_return StorageVolLookupByKeyRet{to_wire(pool.name, *volume)};
        });
    on.on<Procedure::storage_vol_lookup_by_path>(
        [&](SessionPtr, StorageVolLookupByPathArgs args) -> Task<StorageVolLookupByPathRet> {
            co_await storage.freshen_all();
            const auto [pool, volume] = storage.find_path(args.path);
            co_return StorageVolLookupByPathRet{to_wire(pool.name, *volume)};
        });
    on.on<Procedure::storage_vol_get_path>([&](Session&, const StorageVolGetPathArgs& args) {
        return StorageVolGetPathRet{storage.volume(from_wire(args.vol))->target.path.value_or("")};
    });
    on.on<Procedure::storage_vol_get_info>([&](SessionPtr, StorageVolGetInfoArgs args) -> Task<StorageVolGetInfoRet> {
        const auto volume = co_await storage.look(from_wire(std::move(args.vol)));
        StorageVolGetInfoRet ret;
        ret.type = type_of(*volume);
        ret.capacity = volume->capacity.value_or(ByteCount{0}).bytes;
        ret.allocation = volume->allocation.value_or(ByteCount{0}).bytes;
        co_return ret;
    });
    on.on<Procedure::storage_vol_get_info_flags>(
        [&](SessionPtr, StorageVolGetInfoFlagsArgs args) -> Task<StorageVolGetInfoFlagsRet> {
            constexpr unsigned physical = 1; // VIR_STORAGE_VOL_GET_PHYSICAL: in the place of the allocation
            service::require_flags(args.flags, physical, "virStorageVolGetInfoFlags");
            const auto volume = co_await storage.look(from_wire(std::move(args.vol)));
            StorageVolGetInfoFlagsRet ret;
            ret.type = type_of(*volume);
            ret.capacity = volume->capacity.value_or(ByteCount{0}).bytes;
            ret.allocation =
                ((args.flags & physical) ? volume->physical : volume->allocation).value_or(ByteCount{0}).bytes;
            co_return ret;
        });
    on.on<Procedure::storage_vol_get_xml_desc>(
        [&](SessionPtr, StorageVolGetXmlDescArgs args) -> Task<StorageVolGetXmlDescRet> {
            service::require_flags(args.flags, 0, "virStorageVolGetXMLDesc");
            const auto volume = co_await storage.look(from_wire(std::move(args.vol)));
            auto xml = format::to_xml(*volume, {.live = true, .secrets = false});
            co_return StorageVolGetXmlDescRet{std::move(xml)};
        });
}

void serve_volume_changes(Dispatcher& on, StorageOperations& storage) {
    on.on<Procedure::storage_vol_create_xml>([&](SessionPtr session,
                                                 StorageVolCreateXmlArgs args) -> Task<StorageVolCreateXmlRet> {
        const auto name = storage.get(from_wire(std::move(args.pool))).ref.name;
        const auto volume = co_await storage.create_volume(session->caller(), name, std::move(args.xml), args.flags);
        co_return StorageVolCreateXmlRet{to_wire(name, *volume)};
    });
    on.on<Procedure::storage_vol_create_xml_from>(
        [&](SessionPtr session, StorageVolCreateXmlFromArgs args) -> Task<StorageVolCreateXmlFromRet> {
            const auto name = storage.get(from_wire(std::move(args.pool))).ref.name;
            auto from = from_wire(std::move(args.clonevol));
            const auto volume =
                co_await storage.copy_volume(session->caller(), name, std::move(args.xml), std::move(from), args.flags);
            co_return StorageVolCreateXmlFromRet{to_wire(name, *volume)};
        });
    on.on<Procedure::storage_vol_delete>([&](SessionPtr session, StorageVolDeleteArgs args) -> Task<> {
        return storage.remove_volume(session->caller(), from_wire(std::move(args.vol)), args.flags);
    });
    on.on<Procedure::storage_vol_resize>([&](SessionPtr session, StorageVolResizeArgs args) -> Task<> {
        return storage.resize_volume(session->caller(), from_wire(std::move(args.vol)), args.capacity, args.flags);
    });
    on.on<Procedure::storage_vol_wipe>([&](SessionPtr session, StorageVolWipeArgs args) -> Task<> {
        return storage.wipe_volume(session->caller(), from_wire(std::move(args.vol)), 0, args.flags);
    });
    on.on<Procedure::storage_vol_wipe_pattern>([&](SessionPtr session, StorageVolWipePatternArgs args) -> Task<> {
        return storage.wipe_volume(session->caller(), from_wire(std::move(args.vol)), args.algorithm, args.flags);
    });
}

void tell(Session& session, const EventRequest& to, const PoolView& view, storage::PoolEvent event) {
    constexpr std::int32_t lifecycle = 0, refresh = 1; // virStoragePoolEventID
    const auto told = event == storage::PoolEvent::refreshed ? refresh : lifecycle;
    if (told != to.event) return;
    if (told == refresh)
        session.send_event<Procedure::storage_pool_event_refresh>(
            StoragePoolEventRefreshMsg{to.callback, to_wire(view.ref)});
    else
        session.send_event<Procedure::storage_pool_event_lifecycle>(
            StoragePoolEventLifecycleMsg{to.callback, to_wire(view.ref), static_cast<std::int32_t>(event), 0});
}

void serve_events(Dispatcher& on, StorageOperations& storage) {
    using enum Procedure;
    serve_object_events<connect_storage_pool_event_register_any, connect_storage_pool_event_deregister_any>(
        on, "storage pool", storage.events, &ConnectStoragePoolEventRegisterAnyArgs::pool,
        [](const PoolView& view) { return view.ref.uuid; }, tell);
}

} // namespace

void serve_storage(Dispatcher& on, service::Service& service) {
    serve_pools(on, service.storage);
    serve_pool_changes(on, service.storage);
    serve_volumes(on, service.storage);
    serve_volume_changes(on, service.storage);
    serve_events(on, service.storage);
    serve_transfers(on, service.storage);
}

} // namespace domus::wire
