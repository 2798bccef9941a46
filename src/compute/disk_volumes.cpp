#include "compute/disk_volumes.hpp"

#include "base/log.hpp"
#include "compute/leases.hpp"
#include "storage/pools.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

void require_usable(const model::Disk& disk, const storage::Place& place) {
    const auto refuse = [&](std::string_view what) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::domain,
                    fmt::format("unsupported configuration: {} (volume '{}' of pool '{}')", what, *disk.source.volume, *disk.source.pool));
    };
    if (disk.device == model::DiskDevice::lun && place.type != model::DiskType::block && place.type != model::DiskType::network)
        refuse("disk device='lun' is only valid for block type disk source");
    if (disk.source.startup_policy && place.type != model::DiskType::file) refuse("'startupPolicy' is only valid for 'file' type volume");
}

Task<storage::Place> place_of(Environment& environment, model::Disk disk) {
    if (!environment.pools)
        throw Error(ErrorCode::no_storage_pool, ErrorDomain::storage, fmt::format("Storage pool not found: no storage pool with matching name '{}'", *disk.source.pool));
    try {
        auto place = co_await environment.pools->place(*disk.source.pool, *disk.source.volume, disk.source.mode);
        require_usable(disk, place);
        co_return place;
    } catch (Error& error) {
        error.prefix(fmt::format("disk '{}'", disk.target.dev));
        throw;
    }
}

} // namespace

Task<model::Disk> placed(Environment& environment, model::Disk disk) {
    if (disk.type != model::DiskType::volume || !disk.source.pool || !disk.source.volume) co_return disk;
    auto place = co_await place_of(environment, disk);
    auto& source = disk.source;
    source.pool.reset();
    source.volume.reset();
    source.mode.reset();
    disk.type = place.type;
    source.file = std::move(place.source.file);
    source.dev = std::move(place.source.dev);
    source.dir = std::move(place.source.dir);
    source.protocol = std::move(place.source.protocol);
    source.name = std::move(place.source.name);
    source.hosts = std::move(place.source.hosts);
    source.initiator = std::move(place.source.initiator);
    if (place.source.auth) source.auth = std::move(place.source.auth);
    // Not the format that the volume seems to have: a guest writes whatever it likes into a raw one.
    if (!disk.driver.type) disk.driver.type = "raw";
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
        if (failure) log::warning("which image disk '{}' is written to is not known: {}", disk.target.dev, describe(failure));
        for (auto& image : written_images(disk)) images.push_back(std::move(image));
    }
    co_return images;
}

void name_volume(model::Disk& disk, const model::Disk& named) {
    if (named.type != model::DiskType::volume || disk.source.empty()) return; // an optional one that was not there is gone
    auto auth = std::move(disk.source.auth);
    disk.type = named.type;
    disk.source = named.source;
    disk.source.auth = std::move(auth);
}

void name_volumes(std::vector<model::Disk>& disks, const std::vector<model::Disk>& named) {
    for (std::size_t i = 0; i < std::min(disks.size(), named.size()); ++i) name_volume(disks[i], named[i]);
}

} // namespace domus::compute
