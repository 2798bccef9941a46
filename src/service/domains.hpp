// Operations on domains themselves: finding, reading, defining, starting, ending them. A domain is found by its UUID, as
// on the wire. What belongs to parts of a domain has classes of its own: devices.hpp, saved_memory.hpp, snapshots.hpp,
// statistics.hpp, consoles.hpp, guests.hpp.
#pragma once

#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/domain_flags.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::service {

using compute::DomainPtr;
using compute::DomainRef;
using compute::DomainView;
using compute::DomainViewPtr;

/// Without what chooses nothing: both flags of a property, all four states. Of 5,000 domains, each is looked at for what
/// is left, and "active" and "inactive" together, which is how clients ask for all, leave nothing.
Flags<DomainListFlag> narrowed(Flags<DomainListFlag> flags);
/// Whether the list's flags choose it.
bool chosen(const DomainView& view, Flags<DomainListFlag> flags);

class DomainOperations {
public:
    explicit DomainOperations(compute::Domains& domains) : domains_(domains) {}

    // Looking: these never wait.
    DomainRef lookup_by_uuid(const Uuid& uuid) const;
    DomainRef lookup_by_name(const std::string& name) const;
    DomainRef lookup_by_id(int id) const;
    std::vector<DomainRef> list(Flags<DomainListFlag> flags) const;
    DomainViewPtr view(const DomainRef& ref) const;
    /// Disks of a running domain that have errors. Throws operation_invalid.
    std::vector<std::string> disk_errors(const DomainRef& ref) const;
    /// What is wrong with it, in words for people (virDomainGetMessages).
    std::vector<std::string> messages(const DomainRef& ref, Flags<MessagesFlag> flags) const;
    std::string xml(const DomainRef& ref, Flags<DomainXmlFlag> flags) const;
    /// `type`: virDomainMetadataType.
    std::string metadata(const DomainRef& ref, int type, const std::string& uri, Flags<ImpactFlag> flags) const;
    unsigned vcpus(const DomainRef& ref, Flags<VcpuFlag> flags) const;
    /// virConnectDomainXMLToNative.
    Task<std::string> to_native(Caller caller, std::string format, std::string xml);

    // Changing.
    Task<DomainRef> define(Caller caller, std::string xml, Flags<DomainDefineFlag> flags);
    Task<DomainRef> create_xml(Caller caller, std::string xml, Flags<StartFlag> flags);
    Task<> undefine(DomainRef ref, Flags<UndefineFlag> flags);
    Task<DomainRef> start(Caller caller, DomainRef ref, Flags<StartFlag> flags);
    Task<> suspend(DomainRef ref);
    Task<> resume(DomainRef ref);
    Task<> shutdown(DomainRef ref, Flags<ShutdownFlag> flags);
    Task<> reboot(DomainRef ref, Flags<ShutdownFlag> flags);
    Task<> reset(DomainRef ref);
    Task<> inject_nmi(DomainRef ref);
    Task<> destroy(DomainRef ref, Flags<DestroyFlag> flags);
    Task<> set_autostart(DomainRef ref, bool on);
    Task<> rename(DomainRef ref, std::string name);
    Task<> set_memory(DomainRef ref, std::uint64_t kib, Flags<MemoryFlag> flags);
    Task<> set_memory_stats_period(DomainRef ref, int seconds, Flags<ImpactFlag> flags);
    Task<> set_vcpus(DomainRef ref, unsigned count, Flags<VcpuFlag> flags);
    Task<> set_metadata(DomainRef ref, int type, std::optional<std::string> text, std::string key, std::string uri,
                        Flags<ImpactFlag> flags);

    /// For the audit; nothing if there is none.
    std::optional<std::string> name_of(const Uuid& uuid) const;

private:
    DomainPtr find(const DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
};

/// Both, one or none of them.
template <class Flag> compute::Impact impact_of(Flags<Flag> flags) {
    return {.live = flags.has(Flag::live), .config = flags.has(Flag::config)};
}

} // namespace domus::service
