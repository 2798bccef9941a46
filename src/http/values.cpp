#include "http/values.hpp"

#include <algorithm>
#include <array>

namespace domus::http {

using format::Describe;
using format::Schema;

namespace {

std::optional<std::string> unless_empty(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<int> id_of(const compute::DomainRef& ref) { return ref.id < 0 ? std::nullopt : std::optional(ref.id); }

// In the order of compute/domain/status.hpp.
constexpr auto running_reasons =
    format::word_list("unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled",
                      "save-canceled", "wakeup", "crashed");
constexpr auto paused_reasons =
    format::word_list("unknown", "user", "migration", "save", "dump", "io-error", "watchdog", "from-snapshot",
                      "shutting-down", "snapshot", "crashed", "starting-up");
constexpr auto shutoff_reasons = format::word_list("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved",
                                                   "failed", "from-snapshot", "daemon");

std::optional<std::string> reason_of(const compute::Status& status) {
    const auto word = [&](const auto& words) -> std::optional<std::string> {
        const auto reason = static_cast<std::size_t>(status.reason);
        return reason < words.size() ? std::optional(std::string(words[reason])) : std::nullopt;
    };
    switch (status.state) {
    case compute::State::running:
        return word(running_reasons);
    case compute::State::paused:
        return word(paused_reasons);
    case compute::State::shutoff:
        return word(shutoff_reasons);
    default:
        return std::nullopt;
    }
}

/// By virDomainMemoryStatTags.
constexpr auto memory_statistics =
    format::word_list("swap_in", "swap_out", "major_fault", "minor_fault", "unused", "available", "actual_balloon",
                      "rss", "usable", "last_update", "disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail");

} // namespace

const Schema& DomainName::schema() {
    static const Schema table = Describe<DomainName>("domain-name", "How a domain is named.")
                                    .field("@name", &DomainName::name, "", format::required)
                                    .field("@uuid", &DomainName::uuid, "", format::required)
                                    .field("@id", &DomainName::id, "while it runs");
    return table;
}

DomainName value_of(const compute::DomainRef& ref) { return {ref.name, ref.uuid, id_of(ref)}; }

const Schema& DomainState::schema() {
    static const Schema table =
        Describe<DomainState>("domain-state", "A domain at the moment.")
            .field("@name", &DomainState::name, "", format::required)
            .field("@uuid", &DomainState::uuid, "", format::required)
            .field("@id", &DomainState::id, "while it runs")
            .field("@state", &DomainState::state, "", format::required)
            .field("@reason", &DomainState::reason, "why it is in that state")
            .field("@seconds", &DomainState::seconds, "for which it has been in that state")
            .field("@title", &DomainState::title)
            .field("@persistent", &DomainState::persistent, "whether it has a definition that is kept")
            .field("@autostart", &DomainState::autostart, "whether it starts with the daemon")
            .field("@managed_save", &DomainState::managed_save, "whether the next start goes on from saved memory")
            .field("@snapshots", &DomainState::snapshots, "whether it has snapshots")
            .amount("@memory", &DomainState::memory, "bytes", "now, or at its next start")
            .amount("@maximum_memory", &DomainState::maximum_memory, "bytes")
            .field("@vcpus", &DomainState::vcpus, "now, or at its next start")
            .field("@maximum_vcpus", &DomainState::maximum_vcpus)
            .field("@pid", &DomainState::pid, "of its process, while it runs")
            .field("@tainted", &DomainState::tainted, "what in it this platform does not vouch for");
    return table;
}

DomainState value_of(const compute::DomainViewPtr& view) {
    const auto& summary = view->summary();
    DomainState out;
    out.name = view->ref.name;
    out.uuid = view->ref.uuid;
    out.id = id_of(view->ref);
    out.state = view->status.state;
    out.reason = reason_of(view->status);
    out.title = unless_empty(summary.title);
    out.tainted = unless_empty(view->tainted);
    out.seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - view->since).count());
    out.persistent = view->persistent();
    out.autostart = view->autostart;
    out.managed_save = view->managed_save;
    out.snapshots = view->has_snapshots;
    out.memory = summary.memory;
    out.maximum_memory = summary.maximum_memory;
    out.vcpus = summary.vcpus;
    out.maximum_vcpus = summary.maximum_vcpus;
    if (view->live) out.pid = view->live->pid;
    return out;
}

const Schema& DomainInfo::schema() {
    static const Schema table = Describe<DomainInfo>("domain-info", "State, memory and CPU time of a domain.")
                                    .field("@state", &DomainInfo::state, "", format::required)
                                    .amount("@maximum_memory", &DomainInfo::maximum_memory, "bytes")
                                    .amount("@memory", &DomainInfo::memory, "bytes")
                                    .field("@vcpus", &DomainInfo::vcpus)
                                    .field("@cpu_time_ns", &DomainInfo::cpu_time_ns, "used so far");
    return table;
}

DomainInfo value_of(const service::DomainInfo& info) {
    return {info.state, info.maximum_memory, info.memory, info.vcpus, info.cpu_time_ns};
}

const Schema& Vcpu::schema() {
    static const Schema table = Describe<Vcpu>("vcpu", "A virtual processor of a running domain.")
                                    .field("@time_ns", &Vcpu::time_ns, "used so far")
                                    .field("@processor", &Vcpu::processor, "of the host, on which it ran last")
                                    .field("affinity", &Vcpu::affinity, "processors of the host that it may run on");
    return table;
}

Vcpu value_of(const service::Vcpu& vcpu) {
    Vcpu out{vcpu.time_ns, std::nullopt, vcpu.affinity};
    if (vcpu.processor >= 0) out.processor = static_cast<unsigned>(vcpu.processor);
    return out;
}

const Schema& ControlState::schema() {
    static const Schema table =
        Describe<ControlState>("control-state", "Whether a domain can be changed at the moment.")
            .field("@busy", &ControlState::busy, "a job runs")
            .field("@milliseconds", &ControlState::milliseconds, "for which it has run");
    return table;
}

ControlState value_of(const service::ControlState& state) { return {state.state != 0, state.milliseconds}; }

const Schema& ImageSizes::schema() {
    static const Schema table =
        Describe<ImageSizes>("image-sizes", "Sizes of a disk.")
            .amount("@capacity", &ImageSizes::capacity, "bytes", "what the guest sees")
            .amount("@allocation", &ImageSizes::allocation, "bytes", "taken on the host")
            .amount("@physical", &ImageSizes::physical, "bytes", "length of the file or device");
    return table;
}

ImageSizes value_of(const compute::ImageSizes& sizes) { return {sizes.capacity, sizes.allocation, sizes.physical}; }

const Schema& InterfaceCounters::schema() {
    static const Schema table =
        Describe<InterfaceCounters>("interface-counters", "What an interface of a guest has received and sent.")
            .field("@rx_bytes", &InterfaceCounters::rx_bytes)
            .field("@rx_packets", &InterfaceCounters::rx_packets)
            .field("@rx_errors", &InterfaceCounters::rx_errors)
            .field("@rx_drops", &InterfaceCounters::rx_drops)
            .field("@tx_bytes", &InterfaceCounters::tx_bytes)
            .field("@tx_packets", &InterfaceCounters::tx_packets)
            .field("@tx_errors", &InterfaceCounters::tx_errors)
            .field("@tx_drops", &InterfaceCounters::tx_drops);
    return table;
}

InterfaceCounters value_of(const compute::InterfaceCounters& of) {
    return {of.rx_bytes, of.rx_packets, of.rx_errors, of.rx_drops,
            of.tx_bytes, of.tx_packets, of.tx_errors, of.tx_drops};
}

const Schema& MemoryStatistic::schema() {
    static const Schema table = Describe<MemoryStatistic>("memory-statistic", "KiB, counts, or seconds since 1970.")
                                    .field("@name", &MemoryStatistic::name, "", format::required)
                                    .field("@value", &MemoryStatistic::value, "", format::required);
    return table;
}

MemoryStatistic value_of(const compute::MemoryStatistic& statistic) {
    const auto tag = static_cast<std::size_t>(statistic.tag);
    return {tag < memory_statistics.size() ? std::string(memory_statistics[tag]) : std::to_string(tag),
            statistic.value};
}

const Schema& DomainJob::schema() {
    static const Schema table = Describe<DomainJob>("domain-job", "What moves a domain's memory.")
                                    .field("@type", &DomainJob::type, "", format::required)
                                    .field("@operation", &DomainJob::operation)
                                    .field("@elapsed_ms", &DomainJob::elapsed_ms)
                                    .amount("@total", &DomainJob::total, "bytes")
                                    .amount("@processed", &DomainJob::processed, "bytes")
                                    .amount("@remaining", &DomainJob::remaining, "bytes")
                                    .field("@bytes_per_second", &DomainJob::bytes_per_second)
                                    .field("@error", &DomainJob::error, "why it failed");
    return table;
}

DomainJob value_of(const compute::JobStatistics& job) {
    return {job.type,
            job.operation,
            static_cast<std::uint64_t>(job.elapsed.count()),
            ByteCount{job.total},
            ByteCount{job.processed},
            ByteCount{job.remaining},
            job.bytes_per_second,
            unless_empty(job.error)};
}

const Schema& GuestAddress::schema() {
    static const Schema table = Describe<GuestAddress>("guest-address", "An address of a guest.")
                                    .field("@address", &GuestAddress::address, "", format::required)
                                    .field("@prefix", &GuestAddress::prefix);
    return table;
}

const Schema& GuestInterface::schema() {
    static const Schema table = Describe<GuestInterface>("guest-interface", "An interface of a guest.")
                                    .field("@name", &GuestInterface::name, "", format::required)
                                    .field("@mac", &GuestInterface::mac)
                                    .field("addresses", &GuestInterface::addresses);
    return table;
}

GuestInterface value_of(const compute::GuestInterface& interface) {
    GuestInterface out{interface.name, interface.mac, {}};
    for (const auto& [address, prefix] : interface.addresses) out.addresses.push_back({address, prefix});
    return out;
}

const Schema& Snapshot::schema() {
    static const Schema table = Describe<Snapshot>("snapshot-state", "A snapshot of a domain.")
                                    .field("@name", &Snapshot::name, "", format::required)
                                    .field("@parent", &Snapshot::parent)
                                    .field("@current", &Snapshot::current, "whether the domain stands on it")
                                    .field("domain", &Snapshot::domain);
    return table;
}

Snapshot value_of(const service::SnapshotView& view) {
    return {view.name, unless_empty(view.parent), view.current, value_of(view.domain)};
}

const Schema& SnapshotNames::schema() {
    static const Schema table = Describe<SnapshotNames>("snapshot-names", "Snapshots of a domain.")
                                    .field("domain", &SnapshotNames::domain)
                                    .field("items", &SnapshotNames::items, "their names");
    return table;
}

SnapshotNames value_of(const service::SnapshotList& list) { return {value_of(list.domain), list.names}; }

const Schema& Network::schema() {
    static const Schema table = Describe<Network>("network-state", "A network at the moment.")
                                    .field("@name", &Network::name, "", format::required)
                                    .field("@uuid", &Network::uuid, "", format::required)
                                    .field("@active", &Network::active)
                                    .field("@persistent", &Network::persistent)
                                    .field("@autostart", &Network::autostart)
                                    .field("@bridge", &Network::bridge);
    return table;
}

Network value_of(const service::NetworkView& view) {
    const auto& current = view.current();
    Network out{view.name, view.uuid, view.active, view.persistent, view.autostart, std::nullopt};
    out.bridge = current.bridge.name;
    return out;
}

const Schema& NetworkLease::schema() {
    static const Schema table = Describe<NetworkLease>("network-lease", "An address that a network has lent.")
                                    .field("@mac", &NetworkLease::mac, "of IPv6: the one in the client's DUID")
                                    .field("@address", &NetworkLease::address)
                                    .field("@prefix", &NetworkLease::prefix)
                                    .field("@hostname", &NetworkLease::hostname)
                                    .field("@client_id", &NetworkLease::client_id, "of IPv6: the DUID")
                                    .field("@iaid", &NetworkLease::iaid, "of IPv6")
                                    .field("@expires", &NetworkLease::expires, "seconds since 1970; 0: never")
                                    .field("@interface", &NetworkLease::interface, "bridge of the network");
    return table;
}

NetworkLease value_of(const service::NetworkLease& lease) {
    return {unless_empty(lease.lease.mac),
            lease.lease.address,
            lease.prefix,
            unless_empty(lease.lease.hostname),
            unless_empty(lease.lease.client_id),
            unless_empty(lease.lease.iaid),
            lease.lease.expires,
            lease.device};
}

const Schema& Pool::schema() {
    static const Schema table = Describe<Pool>("pool-state", "A storage pool at the moment.")
                                    .field("@name", &Pool::name, "", format::required)
                                    .field("@uuid", &Pool::uuid, "", format::required)
                                    .field("@type", &Pool::type)
                                    .field("@active", &Pool::active)
                                    .field("@persistent", &Pool::persistent)
                                    .field("@autostart", &Pool::autostart)
                                    .amount("@capacity", &Pool::capacity, "bytes")
                                    .amount("@allocation", &Pool::allocation, "bytes")
                                    .amount("@available", &Pool::available, "bytes")
                                    .field("@target", &Pool::target, "folder in which its volumes appear");
    return table;
}

Pool value_of(const service::PoolView& view) {
    const auto& current = view.current();
    return {view.ref.name,  view.ref.uuid,    current.type,       view.active,       view.persistent,
            view.autostart, current.capacity, current.allocation, current.available, current.target};
}

const Schema& Volume::schema() {
    static const Schema table = Describe<Volume>("volume-state", "A volume of a storage pool.")
                                    .field("@name", &Volume::name, "", format::required)
                                    .field("@pool", &Volume::pool)
                                    .field("@key", &Volume::key)
                                    .field("@path", &Volume::path)
                                    .field("@type", &Volume::type)
                                    .field("@format", &Volume::format)
                                    .amount("@capacity", &Volume::capacity, "bytes")
                                    .amount("@allocation", &Volume::allocation, "bytes")
                                    .amount("@physical", &Volume::physical, "bytes");
    return table;
}

Volume value_of(const service::VolumePtr& volume) {
    Volume out;
    out.name = volume->name;
    out.key = volume->key;
    out.path = volume->target.path;
    out.format = volume->target.format;
    out.type = volume->type;
    out.capacity = volume->capacity;
    out.allocation = volume->allocation;
    out.physical = volume->physical;
    return out;
}

Volume value_of(const service::VolumeView& view) {
    auto out = value_of(view.volume);
    out.pool = view.pool;
    return out;
}

const Schema& Filter::schema() {
    static const Schema table = Describe<Filter>("filter-state", "A network filter.")
                                    .field("@name", &Filter::name, "", format::required)
                                    .field("@uuid", &Filter::uuid, "", format::required)
                                    .field("@chain", &Filter::chain);
    return table;
}

Filter value_of(const service::FilterView& view) {
    return {view.name, view.uuid, view.definition->chain.value_or("root")};
}

const Schema& FilterBinding::schema() {
    static const Schema table =
        Describe<FilterBinding>("filter-binding-state", "A filter in force on a network device.")
            .field("@device", &FilterBinding::device, "", format::required)
            .field("@filter", &FilterBinding::filter)
            .field("@owner", &FilterBinding::owner, "domain that the device belongs to")
            .field("learnt", &FilterBinding::learnt, "addresses of the guest");
    return table;
}

FilterBinding value_of(const service::BindingView& view) {
    return {view.device, view.definition->filter.filter, view.definition->owner_name, view.learnt};
}

const Schema& FilterRule::schema() {
    static const Schema table = Describe<FilterRule>("filter-rule", "A rule that is in force, in words.")
                                    .field("@device", &FilterRule::device)
                                    .field("@way", &FilterRule::way)
                                    .field("@text", &FilterRule::text)
                                    .field("@filter", &FilterRule::filter, "where it stands")
                                    .field("@chain", &FilterRule::chain)
                                    .field("@priority", &FilterRule::priority);
    return table;
}

FilterRule value_of(const service::ExplainedRule& rule) {
    return {rule.device, rule.way, rule.text, rule.filter, rule.chain, rule.priority};
}

const Schema& Secret::schema() {
    static const Schema table = Describe<Secret>("secret-state", "A secret, without its value.")
                                    .field("@uuid", &Secret::uuid, "", format::required)
                                    .field("@usage", &Secret::usage)
                                    .field("@usage_id", &Secret::usage_id)
                                    .field("@description", &Secret::description)
                                    .field("@ephemeral", &Secret::ephemeral, "never on the disk")
                                    .field("@private", &Secret::private_, "no client gets its value back");
    return table;
}

Secret value_of(const service::SecretView& view) {
    const auto& secret = *view.definition;
    return {view.uuid,          secret.usage_type(), unless_empty(secret.usage_id()),
            secret.description, secret.ephemeral,    secret.private_};
}

const Schema& Host::schema() {
    static const Schema table = Describe<Host>("host", "Processors and memory of the host.")
                                    .field("@architecture", &Host::architecture)
                                    .field("@model", &Host::model)
                                    .field("@vendor", &Host::vendor)
                                    .field("@mhz", &Host::mhz)
                                    .amount("@memory", &Host::memory, "bytes")
                                    .field("@processors", &Host::processors, "that are online")
                                    .field("@cells", &Host::cells, "of memory (NUMA)")
                                    .field("@sockets", &Host::sockets, "of a cell")
                                    .field("@cores", &Host::cores, "of a socket")
                                    .field("@threads", &Host::threads, "of a core");
    return table;
}

Host value_of(const host::Node& node) {
    return {node.architecture,
            node.model,
            node.vendor,
            node.mhz,
            node.memory,
            static_cast<unsigned>(node.cpus.size()),
            static_cast<unsigned>(node.cells.size()),
            node.sockets,
            node.cores,
            node.threads};
}

const Schema& HostMemory::schema() {
    static const Schema table = Describe<HostMemory>("host-memory", "Memory of the host, or of a cell.")
                                    .amount("@total", &HostMemory::total, "bytes")
                                    .amount("@free", &HostMemory::free, "bytes")
                                    .amount("@buffers", &HostMemory::buffers, "bytes")
                                    .amount("@cached", &HostMemory::cached, "bytes");
    return table;
}

HostMemory value_of(const host::MemoryUsage& memory) {
    return {memory.total, memory.free, memory.buffers, memory.cached};
}

const Schema& CpuTimes::schema() {
    static const Schema table = Describe<CpuTimes>("cpu-times", "Nanoseconds since the host booted.")
                                    .field("@kernel", &CpuTimes::kernel)
                                    .field("@user", &CpuTimes::user)
                                    .field("@idle", &CpuTimes::idle)
                                    .field("@iowait", &CpuTimes::iowait);
    return table;
}

CpuTimes value_of(const host::CpuTimes& times) { return {times.kernel, times.user, times.idle, times.iowait}; }

const Schema& SecurityModel::schema() {
    static const Schema table =
        Describe<SecurityModel>("security-model", "How guests are kept apart beside their users.")
            .field("@model", &SecurityModel::model)
            .field("@domain_of_interpretation", &SecurityModel::domain_of_interpretation);
    return table;
}

SecurityModel value_of(const service::SecurityModel& model) { return {model.model, model.domain_of_interpretation}; }

const Schema& Check::schema() {
    static const Schema table = Describe<Check>("check", "What the host needs to run virtual machines.")
                                    .field("@subject", &Check::subject, "", format::required)
                                    .field("@verdict", &Check::verdict, "", format::required)
                                    .field("@found", &Check::found)
                                    .field("@hint", &Check::hint, "what mends it");
    return table;
}

Check value_of(const host::Check& check) {
    return {check.subject, check.verdict, check.found, unless_empty(check.hint)};
}

const Schema& HostInterface::schema() {
    static const Schema table = Describe<HostInterface>("host-interface", "A network device of the host.")
                                    .field("@name", &HostInterface::name, "", format::required)
                                    .field("@kind", &HostInterface::kind, "bridge, tun, vlan, ...; none for hardware")
                                    .field("@mac", &HostInterface::mac)
                                    .field("@alias", &HostInterface::alias)
                                    .field("@state", &HostInterface::state, "of operation (RFC 2863)")
                                    .field("@mtu", &HostInterface::mtu)
                                    .field("@up", &HostInterface::up, "by the administrator")
                                    .field("@defined", &HostInterface::defined, "in the host's configuration");
    return table;
}

HostInterface value_of(const service::HostInterface& link) {
    return {link.name,
            unless_empty(link.kind),
            unless_empty(link.mac),
            unless_empty(link.alias),
            link.state,
            link.mtu,
            link.up,
            link.defined};
}

} // namespace domus::http
