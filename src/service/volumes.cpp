#include "service/volumes.hpp"

#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::service {

using storage::PoolRef;

Object object_of(const VolumeView& view) { return {"volume", view.pool + "/" + view.volume->name, {}}; }

Task<std::vector<VolumeView>> VolumeOperations::list(PoolRef ref) {
    const auto name = pools_.get(ref).ref.name;
    co_await pools_.freshen(name);
    const auto pool = pools_.get(ref);
    if (!pool.volumes)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::storage,
                    fmt::format("Requested operation is not valid: storage pool '{}' is not active", pool.ref.name))
            .hint(fmt::format("start it with 'domus pool-start {}'", pool.ref.name));
    std::vector<VolumeView> volumes;
    volumes.reserve(pool.volumes->size());
    for (const auto& [key, volume] : *pool.volumes) volumes.push_back({pool.ref.name, volume});
    co_return volumes;
}

Task<VolumeView> VolumeOperations::lookup_by_name(PoolRef ref, std::string name) {
    const auto before = pools_.get(ref).ref.name;
    co_await pools_.freshen(before);
    const auto pool = pools_.get(ref).ref.name;
    co_return VolumeView{pool, pools_.volume_or_made({pool, std::move(name), {}})};
}

Task<VolumeView> VolumeOperations::lookup_by_key(std::string key) {
    co_await pools_.freshen_all();
    auto [pool, volume] = pools_.find_key(key);
    co_return VolumeView{pool.name, std::move(volume)};
}

Task<VolumeView> VolumeOperations::lookup_by_path(std::string path) {
    co_await pools_.freshen_all();
    auto [pool, volume] = pools_.find_path(path);
    co_return VolumeView{pool.name, std::move(volume)};
}

Task<std::string> VolumeOperations::xml(VolumeRef ref) {
    const auto volume = co_await pools_.look(std::move(ref));
    co_return format::to_xml(*volume, {.live = true, .secrets = false});
}

Task<VolumeView> VolumeOperations::create(Caller caller, ProgressPtr progress, PoolRef ref, std::string xml,
                                          Flags<VolumeCreateFlag> flags) {
    const auto pool = pools_.get(ref).ref.name;
    auto volume = co_await pools_.create_volume(pool, std::move(xml), flags.bits(), caller.who, std::move(progress));
    co_return VolumeView{pool, std::move(volume)};
}

Task<VolumeView> VolumeOperations::copy(Caller caller, ProgressPtr progress, PoolRef ref, std::string xml,
                                        VolumeRef from, Flags<VolumeCopyFlag> flags) {
    const auto pool = pools_.get(ref).ref.name;
    auto volume = co_await pools_.copy_volume(pool, std::move(xml), std::move(from), flags.bits(), caller.who,
                                              std::move(progress));
    co_return VolumeView{pool, std::move(volume)};
}

Task<> VolumeOperations::remove(VolumeRef ref, Flags<VolumeDeleteFlag> flags) {
    return pools_.remove_volume(std::move(ref), flags.bits());
}

Task<> VolumeOperations::resize(Caller caller, ProgressPtr progress, VolumeRef ref, std::uint64_t bytes,
                                Flags<VolumeResizeFlag> flags) {
    return pools_.resize_volume(std::move(ref), ByteCount{bytes}, flags.bits(), std::move(caller.who),
                                std::move(progress));
}

Task<> VolumeOperations::wipe(ProgressPtr progress, VolumeRef ref, unsigned algorithm) {
    return pools_.wipe_volume(std::move(ref), algorithm, std::move(progress));
}

Task<std::shared_ptr<storage::VolumeData>> VolumeOperations::download(VolumeRef ref) {
    return pools_.open_volume(std::move(ref), false);
}

Task<std::shared_ptr<storage::VolumeData>> VolumeOperations::upload(VolumeRef ref) {
    return pools_.open_volume(std::move(ref), true);
}

} // namespace domus::service
