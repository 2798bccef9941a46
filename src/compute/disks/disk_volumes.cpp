#include "compute/disks/disk_volumes.hpp"

#include "base/log.hpp"
#include "compute/life/leases.hpp"
#include "storage/pools.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

void require_usable(const model::Disk& disk, const storage::Place& place) {
    const auto refuse = [&](std::string_view what) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::domain,
                    fmt::format("disk '{}': unsupported configuration: {} (volume '{}' of pool '{}')", disk.target.dev,
                                what, *disk.source.volume, *disk.source.pool));
    };
    if (disk.device == model::DiskDevice::lun && place.type != model::DiskType::block
        && place.type != model::DiskType::network)
        refuse("disk device='lun' is only valid for block type disk source");
    if (disk.source.startup_policy && place.type != model::DiskType::file)
        refuse("'startupPolicy' is only valid for 'file' type volume");
}

bool names_volume(std::optional<model::DiskType> type, const model::DiskSource& source) {
    return type == model::DiskType::volume && source.pool && source.volume;
}

/// `target` names the disk in errors.
Task<storage::Place> place_of(Environment& environment, model::DiskSource source, std::string target) {
    if (!environment.pools)
        throw Error(ErrorCode::no_storage_pool, ErrorDomain::storage,
                    fmt::format("Storage pool not found: no storage pool with matching name '{}'", *source.pool));
    try {
        auto place = co_await environment.pools->place(*source.pool, *source.volume, source.mode);
        co_return place;
    } catch (Error& error) {
        error.prefix(fmt::format("disk '{}'", target));
        throw;
    }
}

/// What the volume's name stood for; the rest of the source stays.
void write_out(model::DiskSource& source, storage::Place place) {
    source.pool.reset();
    source.volume.reset();
    source.mode.reset();
    source.file = std::move(place.source.file);
    source.dev = std::move(place.source.dev);
    source.dir = std::move(place.source.dir);
    source.protocol = std::move(place.source.protocol);
    source.name = std::move(place.source.name);
    source.hosts = std::move(place.source.hosts);
    source.initiator = std::move(place.source.initiator);
    if (place.source.auth) source.auth = std::move(place.source.auth);
}

/// A login that came from the pool stays.
void name_again(model::DiskSource& source, const model::DiskSource& named) {
    auto auth = std::move(source.auth);
    source = named;
    source.auth = std::move(auth);
}

} // namespace

std::string known_image(const Environment& environment, const model::Disk& disk) {
    if (disk.source.file) return *disk.source.file;
    if (disk.source.dev) return *disk.source.dev;
    if (!environment.pools || !names_volume(disk.type, disk.source)) return {};
    try {
        const auto volume = environment.pools->volume(*disk.source.pool, *disk.source.volume);
        const bool here = volume->type == model::VolumeType::file || volume->type == model::VolumeType::block;
        return here ? volume->target.path.value_or("") : "";
    } catch (const Error&) {
        return {}; // there is no such volume, or its pool is not active
    }
}

Task<model::Disk> placed(Environment& environment, model::Disk disk) {
    if (names_volume(disk.type, disk.source)) {
        auto place = co_await place_of(environment, disk.source, disk.target.dev);
        require_usable(disk, place);
        disk.type = place.type;
        write_out(disk.source, std::move(place));
        // Not the format that the volume seems to have: a guest writes whatever it likes into a raw one.
        if (!disk.driver.type) disk.driver.type = "raw";
    }
    for (auto* below = &disk.backing_store; !below->empty(); below = &below->front().backing_store) {
        auto& store = below->front();
        if (!names_volume(store.type, store.source)) continue;
        auto place = co_await place_of(environment, store.source, disk.target.dev);
        store.type = place.type;
        write_out(store.source, std::move(place));
    }
    co_return disk;
}

Task<std::vector<std::string>> images_written(Environment& environment, std::vector<model::Disk> disks) {
    std::vector<std::string> images;
    for (auto& disk : disks) {
        std::exception_ptr failure;
        try {
            disk = co_await placed(environment, disk);
        } catch (...) {
            failure = std::current_exception();
        }
        if (failure)
            log::warning("which image disk '{}' is written to is not known: {}", disk.target.dev, describe(failure));
        for (auto& image : written_images(disk)) images.push_back(std::move(image));
    }
    co_return images;
}

void name_volume(model::Disk& disk, const model::Disk& named) {
    if (disk.source.empty()) return; // an optional one that was not there is gone
    if (named.type == model::DiskType::volume) {
        disk.type = named.type;
        name_again(disk.source, named.source);
    }
    auto* below = &disk.backing_store;
    for (const auto* said = &named.backing_store; !said->empty() && !below->empty();
         said = &said->front().backing_store, below = &below->front().backing_store) {
        if (said->front().type != model::DiskType::volume) continue;
        below->front().type = model::DiskType::volume;
        name_again(below->front().source, said->front().source);
    }
}

void name_volumes(std::vector<model::Disk>& disks, const std::vector<model::Disk>& named) {
    for (std::size_t i = 0; i < std::min(disks.size(), named.size()); ++i) name_volume(disks[i], named[i]);
}

} // namespace domus::compute
