// Procedures on storage pools and their volumes (handlers_volumes.cpp).
#include "wire/storage_values.hpp"

#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::Flags;
using service::PoolListFlag;
using service::PoolView;
using service::StorageOperations;

constexpr Flags<PoolListFlag> active{PoolListFlag::active}, inactive{PoolListFlag::inactive};

std::vector<std::string> names_of(const std::vector<PoolView>& views, std::int32_t most) {
    std::vector<std::string> names;
    for (const auto& view : views)
        if (names.size() < static_cast<std::size_t>(std::max(most, 0))) names.push_back(view.ref.name);
    return names;
}

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, Flags<PoolListFlag> which) {
        return door.perform<&StorageOperations::list>(session.caller(), which);
    };
    on.on<Procedure::connect_list_all_storage_pools>(
        [list](Session& session, const ConnectListAllStoragePoolsArgs& args) {
            const auto which = flags<PoolListFlag>(args.flags, "virConnectListAllStoragePools");
            ConnectListAllStoragePoolsRet ret;
            for (const auto& view : list(session, which)) ret.pools.push_back(to_wire(view.ref));
            ret.ret = static_cast<std::uint32_t>(ret.pools.size());
            if (!args.need_results) ret.pools.clear();
            return ret;
        });
    on.on<Procedure::connect_num_of_storage_pools>([list](Session& session, const Nothing&) {
        return ConnectNumOfStoragePoolsRet{static_cast<std::int32_t>(list(session, active).size())};
    });
    on.on<Procedure::connect_list_storage_pools>([list](Session& session, const ConnectListStoragePoolsArgs& args) {
        return ConnectListStoragePoolsRet{names_of(list(session, active), args.maxnames)};
    });
    on.on<Procedure::connect_num_of_defined_storage_pools>([list](Session& session, const Nothing&) {
        return ConnectNumOfDefinedStoragePoolsRet{static_cast<std::int32_t>(list(session, inactive).size())};
    });
    on.on<Procedure::connect_list_defined_storage_pools>(
        [list](Session& session, const ConnectListDefinedStoragePoolsArgs& args) {
            return ConnectListDefinedStoragePoolsRet{names_of(list(session, inactive), args.maxnames)};
        });
}

void serve_lookups(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_pool_lookup_by_name>([&](Session& session, const StoragePoolLookupByNameArgs& args) {
        return StoragePoolLookupByNameRet{
            to_wire(door.perform<&StorageOperations::lookup_by_name>(session.caller(), args.name).ref)};
    });
    on.on<Procedure::storage_pool_lookup_by_uuid>([&](Session& session, const StoragePoolLookupByUuidArgs& args) {
        return StoragePoolLookupByUuidRet{
            to_wire(door.perform<&StorageOperations::lookup_by_uuid>(session.caller(), args.uuid).ref)};
    });
    on.on<Procedure::storage_pool_lookup_by_volume>([&](Session& session, const StoragePoolLookupByVolumeArgs& args) {
        return StoragePoolLookupByVolumeRet{
            to_wire(door.perform<&service::VolumeOperations::pool_of>(session.caller(), from_wire(args.vol)).ref)};
    });
    on.on<Procedure::storage_pool_lookup_by_target_path>(
        [&](Session& session, const StoragePoolLookupByTargetPathArgs& args) {
            return StoragePoolLookupByTargetPathRet{
                to_wire(door.perform<&StorageOperations::lookup_by_target>(session.caller(), args.path).ref)};
        });
}

void serve_looking(Dispatcher& on, Door& door) {
    const auto view = [&](const Session& session, const StoragePool& pool) {
        return door.perform<&StorageOperations::view>(session.caller(), from_wire(pool));
    };
    on.on<Procedure::storage_pool_get_info>(
        [&](SessionPtr session, StoragePoolGetInfoArgs args) -> Task<StoragePoolGetInfoRet> {
            constexpr std::uint32_t state_inactive = 0, state_running = 2; // virStoragePoolState
            const auto found =
                co_await door.perform<&StorageOperations::look>(session->caller(), from_wire(std::move(args.pool)));
            StoragePoolGetInfoRet ret;
            ret.state = found.active ? state_running : state_inactive;
            if (!found.active) co_return ret;
            ret.capacity = found.live->capacity.value_or(ByteCount{0}).bytes;
            ret.allocation = found.live->allocation.value_or(ByteCount{0}).bytes;
            ret.available = found.live->available.value_or(ByteCount{0}).bytes;
            co_return ret;
        });
    on.on<Procedure::storage_pool_get_xml_desc>([&](Session& session, const StoragePoolGetXmlDescArgs& args) {
        const auto how = flags<service::PoolXmlFlag>(args.flags, "virStoragePoolGetXMLDesc");
        return StoragePoolGetXmlDescRet{
            door.perform<&StorageOperations::xml>(session.caller(), from_wire(args.pool), how)};
    });
    on.on<Procedure::storage_pool_get_autostart>([view](Session& session, const StoragePoolGetAutostartArgs& args) {
        return StoragePoolGetAutostartRet{view(session, args.pool).autostart};
    });
    on.on<Procedure::storage_pool_is_active>([view](Session& session, const StoragePoolIsActiveArgs& args) {
        return StoragePoolIsActiveRet{view(session, args.pool).active};
    });
    on.on<Procedure::storage_pool_is_persistent>([view](Session& session, const StoragePoolIsPersistentArgs& args) {
        return StoragePoolIsPersistentRet{view(session, args.pool).persistent};
    });
}

void serve_kinds(Dispatcher& on, Door& door) {
    on.on<Procedure::connect_find_storage_pool_sources>(
        [&](SessionPtr session, ConnectFindStoragePoolSourcesArgs args) -> Task<ConnectFindStoragePoolSourcesRet> {
            no_flags(args.flags, "virConnectFindStoragePoolSources");
            auto xml = co_await door.perform<&StorageOperations::find_sources>(session->caller(), std::move(args.type),
                                                                               args.src_spec.value_or(std::string()));
            co_return ConnectFindStoragePoolSourcesRet{std::move(xml)};
        });
    on.on<Procedure::connect_get_storage_pool_capabilities>([&](Session& session,
                                                                const ConnectGetStoragePoolCapabilitiesArgs& args) {
        no_flags(args.flags, "virConnectGetStoragePoolCapabilities");
        return ConnectGetStoragePoolCapabilitiesRet{door.perform<&StorageOperations::capabilities>(session.caller())};
    });
}

void serve_definitions(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_pool_define_xml>(
        [&](SessionPtr session, StoragePoolDefineXmlArgs args) -> Task<StoragePoolDefineXmlRet> {
            const auto how = flags<service::PoolDefineFlag>(args.flags, "virStoragePoolDefineXML");
            const auto view =
                co_await door.perform<&StorageOperations::define>(session->caller(), std::move(args.xml), how);
            co_return StoragePoolDefineXmlRet{to_wire(view.ref)};
        });
    on.on<Procedure::storage_pool_create_xml>(
        [&](SessionPtr session, StoragePoolCreateXmlArgs args) -> Task<StoragePoolCreateXmlRet> {
            const auto how = flags<service::PoolCreateFlag>(args.flags, "virStoragePoolCreateXML");
            const auto view =
                co_await door.perform<&StorageOperations::create_xml>(session->caller(), std::move(args.xml), how);
            co_return StoragePoolCreateXmlRet{to_wire(view.ref)};
        });
    on.on<Procedure::storage_pool_undefine>([&](SessionPtr session, StoragePoolUndefineArgs args) -> Task<> {
        return door.perform<&StorageOperations::undefine>(session->caller(), from_wire(std::move(args.pool)));
    });
    on.on<Procedure::storage_pool_set_autostart>([&](SessionPtr session, StoragePoolSetAutostartArgs args) -> Task<> {
        return door.perform<&StorageOperations::set_autostart>(session->caller(), from_wire(std::move(args.pool)),
                                                               args.autostart != 0);
    });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::storage_pool_create>([&](SessionPtr session, StoragePoolCreateArgs args) -> Task<> {
        const auto how = flags<service::PoolCreateFlag>(args.flags, "virStoragePoolCreate");
        return door.perform<&StorageOperations::start>(session->caller(), from_wire(std::move(args.pool)), how);
    });
    on.on<Procedure::storage_pool_build>([&](SessionPtr session, StoragePoolBuildArgs args) -> Task<> {
        const auto how = flags<service::PoolBuildFlag>(args.flags, "virStoragePoolBuild");
        return door.perform<&StorageOperations::build>(session->caller(), from_wire(std::move(args.pool)), how);
    });
    on.on<Procedure::storage_pool_destroy>([&](SessionPtr session, StoragePoolDestroyArgs args) -> Task<> {
        return door.perform<&StorageOperations::stop>(session->caller(), from_wire(std::move(args.pool)));
    });
    on.on<Procedure::storage_pool_delete>([&](SessionPtr session, StoragePoolDeleteArgs args) -> Task<> {
        const auto how = flags<service::PoolDeleteFlag>(args.flags, "virStoragePoolDelete");
        return door.perform<&StorageOperations::remove>(session->caller(), from_wire(std::move(args.pool)), how);
    });
    on.on<Procedure::storage_pool_refresh>([&](SessionPtr session, StoragePoolRefreshArgs args) -> Task<> {
        no_flags(args.flags, "virStoragePoolRefresh");
        return door.perform<&StorageOperations::refresh>(session->caller(), from_wire(std::move(args.pool)));
    });
}

void send_event(Session& session, const EventRequest& to, const PoolView& view, storage::PoolEvent event) {
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

void serve_events(Dispatcher& on, service::StorageOperations& storage) {
    using enum Procedure;
    serve_object_events<connect_storage_pool_event_register_any, connect_storage_pool_event_deregister_any>(
        on, "storage pool", storage.events, &ConnectStoragePoolEventRegisterAnyArgs::pool,
        [](const PoolView& view) { return view.ref.uuid; }, send_event);
}

} // namespace

void serve_storage(Dispatcher& on, service::Service& service) {
    serve_lists(on, service.door());
    serve_lookups(on, service.door());
    serve_looking(on, service.door());
    serve_kinds(on, service.door());
    serve_definitions(on, service.door());
    serve_changing(on, service.door());
    serve_events(on, service.storage());
}

} // namespace domus::wire
