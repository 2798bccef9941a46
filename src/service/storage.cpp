#include "service/storage.hpp"

#include "base/log.hpp"
#include "format/xml.hpp"
#include "model/pool_types.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

namespace list_flag { // virConnectListAllStoragePoolsFlags
constexpr unsigned inactive = 1, active = 2, persistent = 4, transient = 8, autostart = 16, no_autostart = 32;
constexpr unsigned all = (1u << 20) - 1; // with those of the types
} // namespace list_flag

bool passes(unsigned flags, unsigned yes, unsigned no, bool value) {
    return !(flags & (yes | no)) || (flags & (value ? yes : no));
}

bool chosen(const PoolView& view, unsigned flags) {
    using namespace list_flag;
    if (!passes(flags, active, inactive, view.active) || !passes(flags, persistent, transient, view.persistent)
        || !passes(flags, autostart, no_autostart, view.autostart))
        return false;
    if (!(flags & ~(model::first_pool_type_flag - 1))) return true;
    return flags & model::pool_type_flag(view.current().type);
}

void audit(const Caller& caller, std::string_view operation, const std::string& name) {
    log::info("{} '{}' asked by uid {} (connection {})", operation, name, caller.who.uid, caller.connection);
}

/// The formats that a kind knows, the first of which is the default.
std::string options(std::string_view what, std::string_view enumeration, const std::vector<std::string_view>& values) {
    if (values.empty()) return {};
    auto text = fmt::format("    <{}Options>\n      <defaultFormat type='{}'/>\n      <enum name='{}'>\n", what,
                            values[0], enumeration);
    for (const auto value : values) text += fmt::format("        <value>{}</value>\n", value);
    return text + fmt::format("      </enum>\n    </{}Options>\n", what);
}

std::string whole(const VolumeRef& ref) { return ref.pool + "/" + ref.name; }

} // namespace

std::vector<PoolView> StorageOperations::list(unsigned flags) const {
    require_flags(flags, list_flag::all, "virConnectListAllStoragePools");
    auto views = pools_.list();
    std::erase_if(views, [&](const PoolView& view) { return !chosen(view, flags); });
    return views;
}

std::string StorageOperations::xml(const PoolRef& ref, unsigned flags) const {
    constexpr unsigned inactive = 1; // virStorageXMLFlags
    require_flags(flags, inactive, "virStoragePoolGetXMLDesc");
    const auto view = pools_.get(ref);
    const auto& pool = (flags & inactive) && view.definition ? *view.definition : view.current();
    return format::to_xml(pool, {.live = true, .secrets = false});
}

std::string StorageOperations::capabilities(unsigned flags) const {
    require_flags(flags, 0, "virConnectGetStoragePoolCapabilities");
    std::string text = "<storagepoolCapabilities>\n";
    for (const auto type : model::pool_types) {
        if (type == "sheepdog") continue; // gone from QEMU
        const auto* kind = storage::find_kind(type);
        text += fmt::format("  <pool type='{}' supported='{}'>\n", type, kind ? "yes" : "no");
        if (kind) {
            text += options("pool", "sourceFormatType", kind->info().source_formats);
            text += options("vol", "targetFormatType", kind->info().volume_formats);
        }
        text += "  </pool>\n";
    }
    return text + "</storagepoolCapabilities>\n";
}

const storage::VolumeMap& StorageOperations::volumes(const PoolView& view) const {
    if (view.volumes) return *view.volumes;
    throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                fmt::format("Requested operation is not valid: storage pool '{}' is not active", view.ref.name))
        .hint(fmt::format("start it with 'domus pool-start {}'", view.ref.name));
}

Task<PoolView> StorageOperations::define(Caller caller, std::string xml, unsigned flags) {
    constexpr unsigned validate = 1;
    require_flags(flags, validate, "virStoragePoolDefineXML");
    auto view = co_await pools_.define(std::move(xml), flags & validate, caller.who);
    audit(caller, "define pool", view.ref.name);
    co_return view;
}

Task<PoolView> StorageOperations::create_xml(Caller caller, std::string xml, unsigned flags) {
    require_flags(flags, 7, "virStoragePoolCreateXML");
    auto view = co_await pools_.create(std::move(xml), flags, caller.who);
    audit(caller, "create pool", view.ref.name);
    co_return view;
}

Task<> StorageOperations::undefine(Caller caller, PoolRef ref) {
    audit(caller, "undefine pool", ref.name);
    co_await pools_.undefine(std::move(ref));
}

Task<> StorageOperations::create(Caller caller, PoolRef ref, unsigned flags) {
    require_flags(flags, 7, "virStoragePoolCreate");
    audit(caller, "start pool", ref.name);
    co_await pools_.start(std::move(ref), flags, caller.who);
}

Task<> StorageOperations::destroy(Caller caller, PoolRef ref) {
    audit(caller, "stop pool", ref.name);
    co_await pools_.stop(std::move(ref));
}

Task<> StorageOperations::build(Caller caller, PoolRef ref, unsigned flags) {
    constexpr unsigned no_overwrite = 4, overwrite = 8; // REPAIR and RESIZE no kind of pool knows
    require_flags(flags, no_overwrite | overwrite, "virStoragePoolBuild");
    audit(caller, "build pool", ref.name);
    co_await pools_.build(std::move(ref), flags, caller.who);
}

Task<> StorageOperations::remove(Caller caller, PoolRef ref, unsigned flags) {
    require_flags(flags, 1, "virStoragePoolDelete");
    audit(caller, "delete pool", ref.name);
    co_await pools_.remove(std::move(ref), caller.who);
}

Task<> StorageOperations::refresh(Caller caller, PoolRef ref, unsigned flags) {
    require_flags(flags, 0, "virStoragePoolRefresh");
    audit(caller, "refresh pool", ref.name);
    co_await pools_.refresh(std::move(ref));
}

Task<> StorageOperations::set_autostart(Caller caller, PoolRef ref, bool on) {
    audit(caller, on ? "autostart pool" : "autostart --disable pool", ref.name);
    co_await pools_.set_autostart(std::move(ref), on);
}

Task<VolumePtr> StorageOperations::create_volume(Caller caller, std::string pool, std::string xml, unsigned flags) {
    constexpr unsigned preallocate_metadata = 1, validate = 4;
    require_flags(flags, preallocate_metadata | validate, "virStorageVolCreateXML");
    auto volume = co_await pools_.create_volume(pool, std::move(xml), flags, caller.who);
    audit(caller, "create volume", pool + "/" + volume->name);
    co_return volume;
}

Task<VolumePtr> StorageOperations::copy_volume(Caller caller, std::string pool, std::string xml, VolumeRef from,
                                               unsigned flags) {
    constexpr unsigned preallocate_metadata = 1, reflink = 2;
    require_flags(flags, preallocate_metadata | reflink, "virStorageVolCreateXMLFrom");
    auto volume = co_await pools_.copy_volume(pool, std::move(xml), std::move(from), flags, caller.who);
    audit(caller, "clone volume", pool + "/" + volume->name);
    co_return volume;
}

Task<> StorageOperations::remove_volume(Caller caller, VolumeRef ref, unsigned flags) {
    constexpr unsigned zeroed = 1, with_snapshots = 2;
    require_flags(flags, zeroed | with_snapshots, "virStorageVolDelete");
    audit(caller, "delete volume", whole(ref));
    co_await pools_.remove_volume(std::move(ref), flags);
}

Task<> StorageOperations::resize_volume(Caller caller, VolumeRef ref, std::uint64_t bytes, unsigned flags) {
    require_flags(flags, 7, "virStorageVolResize");
    audit(caller, "resize volume", whole(ref));
    co_await pools_.resize_volume(std::move(ref), ByteCount{bytes}, flags, caller.who);
}

Task<> StorageOperations::wipe_volume(Caller caller, VolumeRef ref, unsigned algorithm, unsigned flags) {
    require_flags(flags, 0, "virStorageVolWipePattern");
    audit(caller, "wipe volume", whole(ref));
    co_await pools_.wipe_volume(std::move(ref), algorithm);
}

Task<std::string> StorageOperations::find_sources(std::string type, std::string xml, unsigned flags) {
    require_flags(flags, 0, "virConnectFindStoragePoolSources");
    model::PoolSources found;
    found.sources = co_await pools_.find_sources(std::move(type), std::move(xml));
    auto text = format::to_xml(found, {.live = true, .secrets = false});
    co_return text;
}

PoolView StorageOperations::get_target(const std::string& path) const {
    const auto clean = std::filesystem::path(path).lexically_normal().string();
    for (auto& view : pools_.list())
        if (view.active && view.current().target == clean) return std::move(view);
    throw Error(ErrorCode::no_storage_pool, ErrorDomain::storage,
                fmt::format("Storage pool not found: no storage pool with matching target path '{}'", path))
        .hint("only active pools have a target");
}

Task<VolumePtr> StorageOperations::look(VolumeRef ref) { return pools_.look(std::move(ref)); }

Task<std::shared_ptr<storage::VolumeData>> StorageOperations::open_volume(Caller caller, VolumeRef ref, bool write) {
    audit(caller, write ? "upload to volume" : "download of volume", whole(ref));
    auto data = co_await pools_.open_volume(std::move(ref), write);
    co_return data;
}

} // namespace domus::service
