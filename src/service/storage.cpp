#include "service/storage.hpp"

#include "format/xml.hpp"
#include "model/pool_types.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace domus::service {

namespace {

constexpr auto of_types =
    Flags<PoolListFlag>::from_bits(known_bits<PoolListFlag>() & ~(model::first_pool_type_flag - 1));

bool chosen(const PoolView& view, Flags<PoolListFlag> flags) {
    using enum PoolListFlag;
    if (!passes(flags, active, inactive, view.active) || !passes(flags, persistent, transient, view.persistent)
        || !passes(flags, autostart, no_autostart, view.autostart))
        return false;
    if (!flags.has_any(of_types)) return true;
    return flags.bits() & model::pool_type_flag(view.current().type);
}

/// The formats that a kind knows, the first of which is the default.
std::string options(std::string_view what, std::string_view enumeration, const std::vector<std::string_view>& values) {
    if (values.empty()) return {};
    auto text = fmt::format("    <{}Options>\n      <defaultFormat type='{}'/>\n      <enum name='{}'>\n", what,
                            values[0], enumeration);
    for (const auto value : values) text += fmt::format("        <value>{}</value>\n", value);
    return text + fmt::format("      </enum>\n    </{}Options>\n", what);
}

} // namespace

std::vector<PoolView> StorageOperations::list(Flags<PoolListFlag> flags) const {
    auto views = pools_.list();
    std::erase_if(views, [&](const PoolView& view) { return !chosen(view, flags); });
    return views;
}

Task<PoolView> StorageOperations::look(PoolRef ref) {
    const auto name = pools_.get(ref).ref.name;
    co_await pools_.freshen(name);
    co_return pools_.get(ref);
}

std::string StorageOperations::xml(const PoolRef& ref, Flags<PoolXmlFlag> flags) const {
    const auto view = pools_.get(ref);
    const auto& pool = flags.has(PoolXmlFlag::inactive) && view.definition ? *view.definition : view.current();
    return format::to_xml(pool, {.live = true, .secrets = false});
}

std::string StorageOperations::capabilities() const {
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

Task<std::string> StorageOperations::find_sources(std::string type, std::string xml) {
    model::PoolSources found;
    found.sources = co_await pools_.find_sources(std::move(type), std::move(xml));
    auto text = format::to_xml(found, {.live = true, .secrets = false});
    co_return text;
}

PoolView StorageOperations::lookup_by_target(const std::string& path) const {
    const auto clean = std::filesystem::path(path).lexically_normal().string();
    for (auto& view : pools_.list())
        if (view.active && view.current().target == clean) return std::move(view);
    throw Error(ErrorCode::no_storage_pool, ErrorDomain::storage,
                fmt::format("Storage pool not found: no storage pool with matching target path '{}'", path))
        .hint("only active pools have a target");
}

Task<PoolView> StorageOperations::define(Caller caller, std::string xml, Flags<PoolDefineFlag> flags) {
    return pools_.define(std::move(xml), flags.has(PoolDefineFlag::validate), std::move(caller.who));
}

Task<PoolView> StorageOperations::create_xml(Caller caller, std::string xml, Flags<PoolCreateFlag> flags) {
    return pools_.create(std::move(xml), flags.bits(), std::move(caller.who));
}

Task<> StorageOperations::undefine(PoolRef ref) { return pools_.undefine(std::move(ref)); }

Task<> StorageOperations::start(Caller caller, PoolRef ref, Flags<PoolCreateFlag> flags) {
    return pools_.start(std::move(ref), flags.bits(), std::move(caller.who));
}

Task<> StorageOperations::stop(PoolRef ref) { return pools_.stop(std::move(ref)); }

Task<> StorageOperations::build(Caller caller, ProgressPtr progress, PoolRef ref, Flags<PoolBuildFlag> flags) {
    return pools_.build(std::move(ref), flags.bits(), std::move(caller.who), std::move(progress));
}

Task<> StorageOperations::remove(Caller caller, PoolRef ref, Flags<PoolDeleteFlag>) {
    return pools_.remove(std::move(ref), std::move(caller.who));
}

Task<> StorageOperations::refresh(PoolRef ref) { return pools_.refresh(std::move(ref)); }
Task<> StorageOperations::set_autostart(PoolRef ref, bool on) { return pools_.set_autostart(std::move(ref), on); }

} // namespace domus::service
