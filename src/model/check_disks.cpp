#include "model/checks.hpp"

#include <algorithm>
#include <set>

namespace domus::model::checks {

namespace {

/// What a source of the type must have, as it stands in the document; empty if it has it.
std::string_view lacks(DiskType type, const DiskSource& source) {
    switch (type) {
    case DiskType::file:
        return source.file || source.fdgroup ? "" : "file='/path'";
    case DiskType::block:
    case DiskType::vhostvdpa:
        return source.dev ? "" : "dev='/dev/...'";
    case DiskType::dir:
        return source.dir ? "" : "dir='/path'";
    case DiskType::network:
        return source.protocol ? "" : "protocol='...' name='...'";
    case DiskType::volume:
        return source.pool && source.volume ? "" : "pool='...' volume='...'";
    case DiskType::nvme:
        return source.address ? "" : "type='pci' and <address .../>";
    case DiskType::vhostuser:
        return source.path ? "" : "type='unix' path='/path'";
    }
    return "";
}

bool removable(const Disk& disk) { return disk.device == DiskDevice::cdrom || disk.device == DiskDevice::floppy; }

void source(const Disk& disk, Report& report) {
    if (disk.source.empty() && removable(disk)) return;
    const auto missing = lacks(disk.type, disk.source);
    if (!missing.empty())
        report.add(disk.rest, "the disk '{}' of type '{}' needs <source {}>", disk.target.dev, format::word(disk.type),
                   missing);
    if (disk.device == DiskDevice::lun && disk.type != DiskType::block && disk.type != DiskType::network
        && disk.type != DiskType::volume)
        report.add(disk.rest, "the disk '{}' is a 'lun', which needs a type of 'block', 'network' or 'volume'",
                   disk.target.dev);
}

void bus(const Disk& disk, Report& report) {
    const bool floppy = disk.device == DiskDevice::floppy;
    if (!disk.target.bus) return;
    if (floppy != (*disk.target.bus == DiskBus::fdc))
        report.add(disk.rest, "the disk '{}' is a {} on the bus '{}'; floppies and the bus 'fdc' belong together",
                   disk.target.dev, format::word(disk.device), format::word(*disk.target.bus));
    const bool scsi = disk.target.bus == DiskBus::scsi;
    if ((disk.vendor || disk.product) && !scsi)
        report.add(disk.rest, "the disk '{}' has a <vendor> or <product>, which only SCSI disks have", disk.target.dev);
}

void texts(const Disk& disk, Report& report) {
    const auto hexadecimal = [](const std::string& text) {
        return text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    };
    const auto wwn = disk.wwn && disk.wwn->starts_with("0x") ? disk.wwn->substr(2) : disk.wwn.value_or("");
    if (disk.wwn && (wwn.size() != 16 || !hexadecimal(wwn)))
        report.add(disk.rest, "the <wwn> '{}' of the disk '{}' must be 16 hexadecimal digits", *disk.wwn,
                   disk.target.dev);
    if (disk.vendor && disk.vendor->size() > 8)
        report.add(disk.rest, "the <vendor> '{}' of the disk '{}' has more than 8 characters", *disk.vendor,
                   disk.target.dev);
    if (disk.product && disk.product->size() > 16)
        report.add(disk.rest, "the <product> '{}' of the disk '{}' has more than 16 characters", *disk.product,
                   disk.target.dev);
}

void tune(const Disk& disk, Report& report) {
    const auto& tune = disk.iotune;
    const auto both = [](const std::optional<std::uint64_t>& total, const std::optional<std::uint64_t>& read,
                         const std::optional<std::uint64_t>& write) {
        return total.value_or(0) != 0 && (read.value_or(0) != 0 || write.value_or(0) != 0);
    };
    if (both(tune.total_bytes_sec, tune.read_bytes_sec, tune.write_bytes_sec)
        || both(tune.total_iops_sec, tune.read_iops_sec, tune.write_iops_sec)
        || both(tune.total_bytes_sec_max, tune.read_bytes_sec_max, tune.write_bytes_sec_max)
        || both(tune.total_iops_sec_max, tune.read_iops_sec_max, tune.write_iops_sec_max))
        report.add(disk.rest, "the <iotune> of the disk '{}' limits both the total and one direction; keep one of them",
                   disk.target.dev);
}

void reference(const Disk& disk, const SecretReference& secret, Report& report) {
    if (secret.uuid.has_value() == secret.usage.has_value())
        report.add(secret.rest, "a <secret> of the disk '{}' is named either by uuid='...' or by usage='...'",
                   disk.target.dev);
}

void secrets(const Disk& disk, const DiskSource& source, Report& report) {
    if (source.encryption)
        for (const auto& secret : source.encryption->secrets) reference(disk, secret, report);
    if (source.auth) reference(disk, source.auth->secret, report);
}

/// Both <encryption> and <auth> may stand in the disk or in its source.
void secrets(const Disk& disk, Report& report) {
    secrets(disk, disk.source, report);
    if (disk.encryption)
        for (const auto& secret : disk.encryption->secrets) reference(disk, secret, report);
    if (disk.auth) reference(disk, disk.auth->secret, report);
    if (disk.encryption && disk.source.encryption)
        report.add(disk.encryption->rest, "the disk '{}' has an <encryption> of its own and one in <source>",
                   disk.target.dev);
    if (disk.auth && disk.source.auth)
        report.add(disk.auth->rest, "the disk '{}' has an <auth> of its own and one in <source>", disk.target.dev);
}

void chain(const Disk& disk, Report& report) {
    for (const auto* below = &disk.backing_store; !below->empty(); below = &below->front().backing_store) {
        const auto& image = below->front();
        if (below->size() > 1)
            report.add((*below)[1].rest, "the disk '{}' has two <backingStore> beside each other; an image has one",
                       disk.target.dev);
        if (!image.type) return;
        secrets(disk, image.source, report);
        const auto missing = lacks(*image.type, image.source);
        if (!missing.empty())
            report.add(image.rest, "a <backingStore type='{}'> needs <source {}>", format::word(*image.type), missing);
    }
}

} // namespace

void disks(const Domain& domain, Report& report) {
    std::set<std::string_view> targets;
    for (const auto& disk : domain.devices.disks) {
        if (disk.target.dev.empty())
            report.add(disk.rest, "a disk's <target dev=''> is empty; name it vda, sda, hda or fda");
        else if (!targets.insert(disk.target.dev).second)
            report.add(disk.rest, "two disks have the target '{}'; give one another name", disk.target.dev);
        source(disk, report);
        bus(disk, report);
        texts(disk, report);
        tune(disk, report);
        secrets(disk, report);
        chain(disk, report);
    }
}

} // namespace domus::model::checks
