#include "compute/disks/boot_media.hpp"

#include "compute/disks/disk_volumes.hpp"
#include "compute/domain/domains.hpp"

namespace domus::compute {

namespace {

struct Uses {
    bool boots = false; ///< as a medium, kernel or initrd
    bool others = false;
};

bool is_in_chain(const std::vector<model::BackingStore>& below, const std::string& path) {
    for (const auto& store : below)
        if (store.source.file == path || store.source.dev == path || is_in_chain(store.backing_store, path))
            return true;
    return false;
}

void look_at_disk(const Environment& environment, const model::Disk& disk, const std::string& path, Uses& uses) {
    if (is_in_chain(disk.backing_store, path)) uses.others = true;
    if (known_image(environment, disk) != path) return;
    using model::DiskDevice;
    const bool medium = disk.device == DiskDevice::cdrom || (disk.device == DiskDevice::floppy && disk.readonly);
    (medium ? uses.boots : uses.others) = true;
}

void look_at_domain(const Environment& environment, const model::Domain& live, const std::string& path, Uses& uses) {
    if (live.os.kernel == path || live.os.initrd == path) uses.boots = true;
    if (live.os.loader.path == path || live.os.nvram.path == path) uses.others = true;
    for (const auto& disk : live.devices.disks) look_at_disk(environment, disk, path, uses);
}

} // namespace

bool only_boot_medium(const Environment& environment, const Domains& domains, const std::string& path) {
    Uses uses;
    domains.each([&](const DomainPtr& domain) {
        const auto view = domain->view();
        if (view->live) look_at_domain(environment, *view->live->domain, path, uses);
    });
    return uses.boots && !uses.others;
}

} // namespace domus::compute
