// Every operation on domains, once. The RPC table, the REST routes and the permission table name these functions.
// Flags are libvirt's; a domain is found by its UUID, as on the wire.
#pragma once

#include "compute/devices/devices.hpp"
#include "compute/domain/domains.hpp"
#include "compute/statistics/machine_statistics.hpp"
#include "compute/statistics/statistics.hpp"
#include "service/caller.hpp"

#include <map>
#include <string>
#include <vector>

namespace domus::service {

using compute::DomainPtr;
using compute::DomainRef;
using compute::DomainView;
using compute::DomainViewPtr;

class DomainOperations {
public:
    explicit DomainOperations(compute::Domains& domains) : domains_(domains) {}

    // Looking: these never wait.
    DomainRef lookup_by_uuid(const Uuid& uuid) const;
    DomainRef lookup_by_name(const std::string& name) const;
    DomainRef lookup_by_id(int id) const;
    /// virConnectListAllDomainsFlags.
    std::vector<DomainRef> list(unsigned flags) const;
    DomainViewPtr view(const DomainRef& ref) const;
    /// What is wrong with it, in words for people (virDomainGetMessages).
    std::vector<std::string> messages(const DomainRef& ref);
    /// virDomainXMLFlags; secrets are refused to callers that may only read.
    std::string xml(const Caller& caller, const DomainRef& ref, unsigned flags) const;

    // Changing.
    Task<DomainRef> define(Caller caller, std::string xml, unsigned flags);
    /// Throws what define() would throw for it, and changes nothing.
    Task<> check(Caller caller, std::string xml) { return domains_.check(std::move(xml), std::move(caller.who)); }
    Task<DomainRef> create_xml(Caller caller, std::string xml, unsigned flags);
    Task<> undefine(Caller caller, DomainRef ref, unsigned flags);
    Task<DomainRef> create(Caller caller, DomainRef ref, unsigned flags);
    Task<> suspend(Caller caller, DomainRef ref);
    Task<> resume(Caller caller, DomainRef ref);
    Task<> shutdown(Caller caller, DomainRef ref, unsigned flags);
    Task<> reboot(Caller caller, DomainRef ref, unsigned flags);
    Task<> reset(Caller caller, DomainRef ref, unsigned flags);
    Task<> destroy(Caller caller, DomainRef ref, unsigned flags);
    Task<> set_autostart(Caller caller, DomainRef ref, bool on);
    Task<> rename(Caller caller, DomainRef ref, std::string name, unsigned flags);
    /// Flags: virDomainDeviceModifyFlags.
    Task<> attach_device(Caller caller, DomainRef ref, std::string xml, unsigned flags);
    Task<> detach_device(Caller caller, DomainRef ref, std::string xml, unsigned flags);
    Task<> detach_alias(Caller caller, DomainRef ref, std::string alias, unsigned flags);
    Task<> update_device(Caller caller, DomainRef ref, std::string xml, unsigned flags);
    /// `disk` by target or source; `size` in KiB, or in bytes with VIR_DOMAIN_BLOCK_RESIZE_BYTES.
    Task<> resize_disk(Caller caller, DomainRef ref, std::string disk, std::uint64_t size, unsigned flags);
    Task<> set_memory(Caller caller, DomainRef ref, std::uint64_t kib, unsigned flags);
    Task<> set_memory_stats_period(Caller caller, DomainRef ref, int seconds, unsigned flags);
    Task<> set_vcpus(Caller caller, DomainRef ref, unsigned count, unsigned flags);
    unsigned get_vcpus(const DomainRef& ref, unsigned flags) const;
    Task<> set_metadata(Caller caller, DomainRef ref, int type, std::optional<std::string> text, std::string key,
                        std::string uri, unsigned flags);
    std::string get_metadata(const DomainRef& ref, int type, const std::string& uri, unsigned flags) const;

    // Saved memory. Flags: virDomainSaveRestoreFlags; those that read XML: virDomainSaveImageXMLFlags. Paths are absolute
    // and are used with the rights of the caller.
    Task<> save(Caller caller, DomainRef ref, std::string file, std::optional<std::string> xml, unsigned flags);
    Task<> restore(Caller caller, std::string file, std::optional<std::string> xml, unsigned flags);
    Task<std::string> save_image_xml(Caller caller, std::string file, unsigned flags);
    Task<> save_image_define(Caller caller, std::string file, std::string xml, unsigned flags);
    Task<> managed_save(Caller caller, DomainRef ref, std::optional<std::string> xml, unsigned flags);
    bool has_managed_save(const DomainRef& ref, unsigned flags) const;
    Task<> managed_save_remove(Caller caller, DomainRef ref, unsigned flags);
    Task<std::string> managed_save_xml(Caller caller, DomainRef ref, unsigned flags);
    Task<> managed_save_define(Caller caller, DomainRef ref, std::optional<std::string> xml, unsigned flags);

    // Snapshots. The name of the new one; flags: virDomainSnapshotCreateFlags, ...ListFlags, ...RevertFlags, ...DeleteFlags.
    Task<std::string> snapshot_create(Caller caller, DomainRef ref, std::string xml, unsigned flags);
    std::string snapshot_xml(const Caller& caller, const DomainRef& ref, const std::string& name, unsigned flags) const;
    std::vector<std::string> snapshots(const DomainRef& ref, unsigned flags) const;
    std::vector<std::string> snapshots_below(const DomainRef& ref, const std::string& name, unsigned flags) const;
    /// Valid until something else runs.
    const compute::SnapshotTree& snapshot_tree(const DomainRef& ref) const;
    Task<> snapshot_revert(Caller caller, DomainRef ref, std::string name, unsigned flags);
    Task<> snapshot_delete(Caller caller, DomainRef ref, std::string name, unsigned flags);

    /// virDomainGetJobStatsFlags.
    compute::JobStatistics job(const DomainRef& ref, unsigned flags);
    Task<> abort_job(Caller caller, DomainRef ref, unsigned flags);

    /// virConnectGetAllDomainStats: all domains that the flags choose, or those named; what a monitor does not tell
    /// within a second is left out.
    struct Record {
        DomainRef domain;
        std::vector<compute::Statistic> statistics;
    };
    Task<std::vector<Record>> statistics(std::vector<DomainRef> chosen, unsigned groups, unsigned flags);

    /// QEMU's counters of a disk, by its target or source, or of all together for ""; names as in query-blockstats.
    Task<std::map<std::string, std::uint64_t>> block_counters(DomainRef ref, std::string disk, unsigned flags);
    /// As the guest's agent lists them.
    Task<std::vector<compute::GuestInterface>> guest_interfaces(DomainRef ref);
    compute::InterfaceCounters interface_counters(const DomainRef& ref, const std::string& device) const;
    Task<compute::ImageSizes> block_info(DomainRef ref, std::string disk, unsigned flags);
    /// Throws operation_invalid.
    void require_active(const DomainRef& ref) const;
    /// virConnectDomainXMLToNative.
    Task<std::string> to_native(Caller caller, std::string format, std::string xml, unsigned flags);

    Task<std::vector<compute::MemoryStatistic>> memory_statistics(DomainRef ref, unsigned flags);

    Task<> inject_nmi(Caller caller, DomainRef ref, unsigned flags);
    /// `codeset`: virKeycodeSet (key_codes.hpp).
    Task<> send_key(Caller caller, DomainRef ref, unsigned codeset, std::vector<std::uint32_t> codes, unsigned hold_ms,
                    unsigned flags);
    UniqueFd open_console(const Caller& caller, const DomainRef& ref, const std::string& device);
    /// A display for a client on its own socket, or on one whose other end is returned. Flags: virDomainOpenGraphicsFlags.
    Task<> open_graphics(Caller caller, DomainRef ref, unsigned index, UniqueFd client, unsigned flags);
    Task<UniqueFd> open_graphics_fd(Caller caller, DomainRef ref, unsigned index, unsigned flags);
    Task<compute::Screenshot> screenshot(Caller caller, DomainRef ref, unsigned screen);

    /// virDomainControlState: 0 free, 1 a job runs; for how long.
    struct Control {
        unsigned state = 0;
        std::uint64_t milliseconds = 0;
    };
    Control control(const DomainRef& ref) const;

    compute::Domains& all() { return domains_; }

private:
    /// Empty where there is none on this host.
    std::string image_of(const DomainView& view, std::size_t disk) const;
    /// Of the disks of each; views may be null.
    Task<std::vector<compute::DiskSizes>> disk_sizes(std::vector<DomainViewPtr> views, Deadline by);
    DomainPtr find(const DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
};

} // namespace domus::service
