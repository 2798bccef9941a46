// Flags of operations on domains, bit for bit as in libvirt.
#pragma once

#include "service/flags.hpp"

namespace domus::service {

/// virConnectListAllDomainsFlags.
enum class DomainListFlag {
    active,
    inactive,
    persistent,
    transient,
    running,
    paused,
    shutoff,
    other,
    managed_save,
    no_managed_save,
    autostart,
    no_autostart,
    has_snapshot,
    no_snapshot,
    has_checkpoint,
    no_checkpoint
};
/// virDomainXMLFlags.
enum class DomainXmlFlag { secure, inactive, update_cpu, migratable };
/// virDomainDefineFlags.
enum class DomainDefineFlag { validate };
/// virDomainCreateFlags.
enum class StartFlag { paused, autodestroy, bypass_cache, force_boot, validate, reset_nvram };
/// virDomainUndefineFlagsValues.
enum class UndefineFlag { managed_save, snapshots_metadata, nvram, keep_nvram, checkpoints_metadata, tpm, keep_tpm };
/// virDomainShutdownFlagValues and virDomainRebootFlagValues.
enum class ShutdownFlag { acpi_power_button, guest_agent };
/// virDomainDestroyFlagsValues.
enum class DestroyFlag { graceful, remove_logs };
/// virDomainModificationImpact: which of the two definitions.
enum class ImpactFlag { live, config };
/// virDomainMemoryModFlags.
enum class MemoryFlag { live, config, maximum };
/// virDomainVcpuFlags.
enum class VcpuFlag { live, config, maximum };
/// virDomainMessageType.
enum class MessagesFlag { deprecation, tainting };
/// virDomainDeviceModifyFlags, of a device that comes or goes.
enum class DeviceFlag { live, config };
/// virDomainDeviceModifyFlags.
enum class DeviceUpdateFlag { live, config, force };
/// virDomainBlockResizeFlags.
enum class BlockResizeFlag { bytes };
/// virDomainSaveRestoreFlags.
enum class SaveFlag { bypass_cache, running, paused };
/// Those of virDomainSaveRestoreFlags that say in which state the guest is restored.
enum class SavedStateFlag { running = 1, paused };
/// virDomainSaveImageXMLFlags.
enum class SavedXmlFlag { secure };
/// virDomainGetJobStatsFlags.
enum class JobFlag { completed, keep_completed };
/// virDomainSnapshotCreateFlags.
enum class SnapshotCreateFlag {
    redefine,
    current,
    no_metadata,
    halt,
    disk_only,
    reuse_external,
    quiesce,
    atomic,
    live,
    validate
};
/// virDomainSnapshotListFlags; the first is "descendants" where the children of one are listed.
enum class SnapshotListFlag {
    roots,
    metadata,
    leaves,
    no_leaves,
    no_metadata,
    inactive,
    active,
    disk_only,
    internal,
    external,
    topological
};
/// virDomainCheckpointListFlags.
enum class CheckpointListFlag { roots, topological, leaves, no_leaves };
/// virDomainSnapshotXMLFlags.
enum class SnapshotXmlFlag { secure };
/// virDomainSnapshotRevertFlags.
enum class RevertFlag { running, paused, force };
/// virDomainSnapshotDeleteFlags.
enum class SnapshotDeleteFlag { children, metadata_only, children_only };
/// virConnectGetAllDomainStatsFlags; the first eight are those of DomainListFlag.
enum class StatisticsFlag {
    active,
    inactive,
    persistent,
    transient,
    running,
    paused,
    shutoff,
    other,
    no_wait = 29,
    backing,
    enforce
};
/// virDomainConsoleFlags.
enum class ConsoleFlag { force, safe };
/// virDomainOpenGraphicsFlags.
enum class GraphicsFlag { skip_authentication };
/// virDomainInterfaceAddressesSource, of which a call names one.
enum class AddressSource { lease, agent, arp };

} // namespace domus::service

namespace domus::format {

template <>
inline constexpr auto words<service::DomainListFlag> =
    word_list("active", "inactive", "persistent", "transient", "running", "paused", "shutoff", "other", "managed-save",
              "no-managed-save", "autostart", "no-autostart", "has-snapshot", "no-snapshot", "has-checkpoint",
              "no-checkpoint");
template <>
inline constexpr auto words<service::DomainXmlFlag> = word_list("secure", "inactive", "update-cpu", "migratable");
template <> inline constexpr auto words<service::DomainDefineFlag> = word_list("validate");
template <>
inline constexpr auto words<service::StartFlag> =
    word_list("paused", "autodestroy", "bypass-cache", "force-boot", "validate", "reset-nvram");
template <>
inline constexpr auto words<service::UndefineFlag> =
    word_list("managed-save", "snapshots-metadata", "nvram", "keep-nvram", "checkpoints-metadata", "tpm", "keep-tpm");
template <> inline constexpr auto words<service::ShutdownFlag> = word_list("acpi-power-button", "guest-agent");
template <> inline constexpr auto words<service::DestroyFlag> = word_list("graceful", "remove-logs");
template <> inline constexpr auto words<service::ImpactFlag> = word_list("live", "config");
template <> inline constexpr auto words<service::MemoryFlag> = word_list("live", "config", "maximum");
template <> inline constexpr auto words<service::VcpuFlag> = word_list("live", "config", "maximum");
template <> inline constexpr auto words<service::MessagesFlag> = word_list("deprecation", "tainting");
template <> inline constexpr auto words<service::DeviceFlag> = word_list("live", "config");
template <> inline constexpr auto words<service::DeviceUpdateFlag> = word_list("live", "config", "force");
template <> inline constexpr auto words<service::BlockResizeFlag> = word_list("bytes");
template <> inline constexpr auto words<service::SaveFlag> = word_list("bypass-cache", "running", "paused");
template <> inline constexpr auto words<service::SavedStateFlag> = word_list("", "running", "paused");
template <> inline constexpr auto words<service::SavedXmlFlag> = word_list("secure");
template <> inline constexpr auto words<service::JobFlag> = word_list("completed", "keep-completed");
template <>
inline constexpr auto words<service::SnapshotCreateFlag> =
    word_list("redefine", "current", "no-metadata", "halt", "disk-only", "reuse-external", "quiesce", "atomic", "live",
              "validate");
template <>
inline constexpr auto words<service::SnapshotListFlag> =
    word_list("roots", "metadata", "leaves", "no-leaves", "no-metadata", "inactive", "active", "disk-only", "internal",
              "external", "topological");
template <>
inline constexpr auto words<service::CheckpointListFlag> = word_list("roots", "topological", "leaves", "no-leaves");
template <> inline constexpr auto words<service::SnapshotXmlFlag> = word_list("secure");
template <> inline constexpr auto words<service::RevertFlag> = word_list("running", "paused", "force");
template <>
inline constexpr auto words<service::SnapshotDeleteFlag> = word_list("children", "metadata-only", "children-only");
template <>
inline constexpr auto words<service::StatisticsFlag> =
    word_list("active", "inactive", "persistent", "transient", "running", "paused", "shutoff", "other", "", "", "", "",
              "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "no-wait", "backing", "enforce");
template <> inline constexpr auto words<service::ConsoleFlag> = word_list("force", "safe");
template <> inline constexpr auto words<service::GraphicsFlag> = word_list("skip-authentication");
template <> inline constexpr auto words<service::AddressSource> = word_list("lease", "agent", "arp");

} // namespace domus::format
