#include "compute/snapshots/snapshot_plan.hpp"

#include "base/error.hpp"
#include "compute/domain/errors.hpp"
#include "image/chain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace domus::compute {

namespace {

using model::SnapshotMode;
using model::SnapshotState;

Error unsupported(std::string what) {
    return Error(ErrorCode::config_unsupported, ErrorDomain::qemu, fmt::format("unsupported configuration: {}", what));
}

Error external_refused(std::string what) {
    return unsupported(fmt::format("{}: this version keeps snapshots inside the images of disks", what))
        .hint("leave out --disk-only, --memspec and --diskspec, or say snapshot='internal'");
}

std::vector<image::Snapshot> snapshots_in(const std::string& path) {
    const auto image = image::open_image(path);
    return image::read_header(image.get(), "qcow2").snapshots;
}

SnapshotMode default_mode(const model::Disk& disk) {
    if (disk.snapshot) return *disk.snapshot;
    return disk.readonly || disk.source.empty() ? SnapshotMode::no : SnapshotMode::internal;
}

void require_internal(const model::Disk& disk) {
    const auto type = disk.driver.type.value_or("raw");
    if (disk.transient)
        throw unsupported(fmt::format("internal snapshot for disk {} unsupported: it is transient", disk.target.dev));
    if (type != "qcow2")
        throw unsupported(
            fmt::format("internal snapshot for disk {} unsupported for storage type {}", disk.target.dev, type));
    if (disk.type != model::DiskType::file && disk.type != model::DiskType::block
        && disk.type != model::DiskType::volume)
        throw unsupported(fmt::format("internal snapshot for disk {} unsupported for {} disks", disk.target.dev,
                                      format::word(disk.type)));
}

/// A domain's disks by every name that a snapshot may give them: target or source, of two alike the first.
class DisksByName {
public:
    explicit DisksByName(const model::Domain& domain) {
        for (const auto& disk : domain.devices.disks) {
            disks_.try_emplace(disk.target.dev, &disk);
            for (const auto* source : {&disk.source.file, &disk.source.dev})
                if (*source) disks_.try_emplace(**source, &disk);
        }
    }
    const model::Disk* find(const std::string& name) const {
        const auto found = disks_.find(name);
        return found == disks_.end() ? nullptr : found->second;
    }

private:
    std::map<std::string_view, const model::Disk*> disks_;
};

model::SnapshotDisk complete_disk(const model::Disk& disk, const model::SnapshotDisk* wanted) {
    model::SnapshotDisk result;
    if (wanted) result = *wanted;
    result.name = disk.target.dev;
    result.snapshot = result.snapshot.value_or(default_mode(disk));
    if (result.snapshot == SnapshotMode::external || !result.source.empty())
        throw external_refused(fmt::format("disk '{}'", result.name));
    if (result.snapshot == SnapshotMode::manual)
        throw external_refused(fmt::format("mode 'manual' of disk '{}'", result.name));
    if (result.snapshot == SnapshotMode::internal) require_internal(disk);
    return result;
}

void complete_memory(model::Snapshot& wanted, bool active) {
    const auto usual = active ? SnapshotMode::internal : SnapshotMode::no;
    const auto mode = wanted.memory.value_or(usual);
    if (wanted.memory_file || mode == SnapshotMode::external) throw external_refused("memory in a file of its own");
    if (active && mode == SnapshotMode::no) throw external_refused("disks of a running domain without its memory");
    if (!active && mode == SnapshotMode::internal)
        throw unsupported("memory state cannot be saved with offline or disk-only snapshot");
    wanted.memory = mode;
}

} // namespace

void require_snapshot_name(const std::string& name) {
    const auto refuse = [&](std::string_view why) {
        throw Error(ErrorCode::xml_error, ErrorDomain::domain_snapshot,
                    fmt::format("XML error: invalid snapshot name '{}': {}", name, why));
    };
    constexpr std::size_t longest = 200; // with ".xml" a file's name; QEMU keeps up to 255 bytes
    if (name.empty() || name.size() > longest) refuse(fmt::format("it must have 1 to {} bytes", longest));
    if (name.find('/') != std::string::npos) refuse("name can't contain '/'");
    if (name.front() == '.') refuse("name can't start with '.'");
    if (std::ranges::any_of(name, [](char c) { return static_cast<unsigned char>(c) < ' '; }))
        refuse("it has control characters");
}

void complete_snapshot(model::Snapshot& wanted, const model::Domain& domain, SnapshotState state, std::int64_t now) {
    const bool active = state == SnapshotState::running || state == SnapshotState::paused;
    if (!wanted.name) wanted.name = fmt::format("{}", now);
    require_snapshot_name(*wanted.name);
    const bool flash = domain.os.firmware == model::Firmware::efi || domain.os.loader.type == model::LoaderType::pflash;
    if (flash && active) // the firmware's variables are no part of the images; those of a stopped guest are left alone
        throw unsupported("internal snapshots of a VM with pflash based firmware are not supported")
            .hint("shut the guest down, and make the snapshot then");
    const DisksByName by_name(domain);
    std::map<const model::Disk*, const model::SnapshotDisk*> wishes;
    for (const auto& wish : wanted.disks) {
        const auto* disk = by_name.find(wish.name);
        if (!disk) throw unsupported(fmt::format("no disk named '{}'", wish.name));
        wishes[disk] = &wish;
    }
    complete_memory(wanted, active);
    std::vector<model::SnapshotDisk> disks;
    for (const auto& disk : domain.devices.disks) {
        const auto wish = wishes.find(&disk);
        disks.push_back(complete_disk(disk, wish == wishes.end() ? nullptr : wish->second));
    }
    wanted.disks = std::move(disks);
    if (internal_disks(wanted, domain).empty())
        throw unsupported(active ? "internal checkpoints require at least one disk to be selected for snapshot"
                                 : "nothing selected for snapshot");
    wanted.state = state;
    wanted.creation_time = now;
    wanted.parent.reset();
}

void require_snapshot_of(model::Snapshot& snapshot, const std::string& name, const Uuid& uuid) {
    const auto check = [&](auto& definition) {
        if (!definition) return;
        if (definition->uuid && definition->uuid != uuid)
            throw Error(ErrorCode::operation_invalid, ErrorDomain::domain_snapshot,
                        fmt::format("Requested operation is not valid: snapshot '{}' has the definition of another "
                                    "domain: '{}', uuid {}",
                                    snapshot.name.value_or(""), definition->name, definition->uuid->text()))
                .hint(fmt::format("that of domain '{}' has the uuid {}", name, uuid.text()));
        definition->uuid = uuid;
        definition->name = name;
    };
    check(snapshot.domain);
    check(snapshot.inactive_domain);
}

std::vector<const model::Disk*> internal_disks(const model::Snapshot& snapshot, const model::Domain& domain) {
    std::vector<const model::Disk*> result;
    const DisksByName by_name(domain);
    for (const auto& kept : snapshot.disks)
        if (kept.snapshot == SnapshotMode::internal)
            if (const auto* disk = by_name.find(kept.name)) result.push_back(disk);
    return result;
}

std::vector<model::Disk> disks_of(const model::Snapshot& snapshot, const model::Domain& domain) {
    std::vector<model::Disk> disks;
    for (const auto* disk : internal_disks(snapshot, domain)) disks.push_back(*disk);
    if (!disks.empty()) return disks;
    throw invalid_operation(fmt::format("the domain has no disk of snapshot '{}' any more", *snapshot.name));
}

bool is_here(const model::Disk& disk) {
    return disk.type == model::DiskType::file || disk.type == model::DiskType::block;
}

bool image_has_snapshot(const std::string& path, const std::string& name) {
    const auto snapshots = snapshots_in(path);
    return std::ranges::find(snapshots, name, &image::Snapshot::name) != snapshots.end();
}

std::string snapshot_reference(const std::string& path, const std::string& name) {
    const auto snapshots = snapshots_in(path);
    const auto found = std::ranges::find(snapshots, name, &image::Snapshot::name);
    return found == snapshots.end() ? name : found->id;
}

std::optional<std::string> snapshot_mistaken_for(const std::string& path, const std::string& name) {
    const auto snapshots = snapshots_in(path);
    const auto found = std::ranges::find(snapshots, name, &image::Snapshot::id);
    if (found == snapshots.end() || found->name == name) return std::nullopt;
    return found->name;
}

} // namespace domus::compute
