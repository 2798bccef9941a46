// What operations return, as their callers see it: for each type of the service a plain value with a table (format/schema.hpp),
// from which its JSON and the OpenAPI document come. Amounts count bytes.
#pragma once

#include "compute/domain/job.hpp"
#include "compute/domain/view.hpp"
#include "format/schema.hpp"
#include "host/cpu_compare.hpp"
#include "host/doctor.hpp"
#include "model/secret.hpp"
#include "service/service.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::http {

struct DomainName {
    std::string name;
    Uuid uuid;
    std::optional<int> id;
    static const format::Schema& schema();
    bool operator==(const DomainName&) const = default;
};
DomainName value_of(const compute::DomainRef& ref);

struct DomainState {
    std::string name;
    Uuid uuid;
    std::optional<int> id;
    compute::State state = compute::State::nostate;
    std::optional<std::string> reason, title, tainted;
    std::uint64_t seconds = 0;
    bool persistent = false, autostart = false, managed_save = false, snapshots = false;
    ByteCount memory, maximum_memory;
    unsigned vcpus = 0, maximum_vcpus = 0;
    std::optional<int> pid;
    static const format::Schema& schema();
};
DomainState value_of(const compute::DomainViewPtr& view);

struct DomainInfo {
    compute::State state = compute::State::nostate;
    ByteCount maximum_memory, memory;
    unsigned vcpus = 0;
    std::uint64_t cpu_time_ns = 0;
    static const format::Schema& schema();
};
DomainInfo value_of(const service::DomainInfo& info);

struct Vcpu {
    std::uint64_t time_ns = 0;
    std::optional<unsigned> processor;
    std::vector<unsigned> affinity;
    static const format::Schema& schema();
};
Vcpu value_of(const service::Vcpu& vcpu);

struct ControlState {
    bool busy = false;
    std::uint64_t milliseconds = 0;
    static const format::Schema& schema();
};
ControlState value_of(const service::ControlState& state);

struct ImageSizes {
    ByteCount capacity, allocation, physical;
    static const format::Schema& schema();
};
ImageSizes value_of(const compute::ImageSizes& sizes);

struct InterfaceCounters {
    std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_drops = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_drops = 0;
    static const format::Schema& schema();
};
InterfaceCounters value_of(const compute::InterfaceCounters& counters);

struct MemoryStatistic {
    std::string name;
    std::uint64_t value = 0;
    static const format::Schema& schema();
};
MemoryStatistic value_of(const compute::MemoryStatistic& statistic);

struct DomainJob {
    compute::JobType type = compute::JobType::none;
    compute::JobOperation operation = compute::JobOperation::unknown;
    std::uint64_t elapsed_ms = 0;
    ByteCount total, processed, remaining;
    std::uint64_t bytes_per_second = 0;
    std::optional<std::string> error;
    static const format::Schema& schema();
};
DomainJob value_of(const compute::JobStatistics& job);

struct GuestAddress {
    std::string address;
    unsigned prefix = 0;
    static const format::Schema& schema();
    bool operator==(const GuestAddress&) const = default;
};
struct GuestInterface {
    std::string name, mac;
    std::vector<GuestAddress> addresses;
    static const format::Schema& schema();
};
GuestInterface value_of(const compute::GuestInterface& interface);

struct Snapshot {
    std::string name;
    std::optional<std::string> parent;
    bool current = false;
    DomainName domain;
    static const format::Schema& schema();
};
Snapshot value_of(const service::SnapshotView& view);

struct SnapshotNames {
    DomainName domain;
    std::vector<std::string> items;
    static const format::Schema& schema();
};
SnapshotNames value_of(const service::SnapshotList& list);

struct Network {
    std::string name;
    Uuid uuid;
    bool active = false, persistent = false, autostart = false;
    std::optional<std::string> bridge;
    static const format::Schema& schema();
};
Network value_of(const service::NetworkView& view);

struct NetworkLease {
    std::optional<std::string> mac;
    std::string address;
    unsigned prefix = 0;
    std::optional<std::string> hostname, client_id, iaid;
    std::int64_t expires = 0;
    std::string interface;
    static const format::Schema& schema();
};
NetworkLease value_of(const service::NetworkLease& lease);

struct Pool {
    std::string name;
    Uuid uuid;
    std::string type;
    bool active = false, persistent = false, autostart = false;
    std::optional<ByteCount> capacity, allocation, available;
    std::optional<std::string> target;
    static const format::Schema& schema();
};
Pool value_of(const service::PoolView& view);

struct Volume {
    std::string name;
    std::optional<std::string> pool, key, path, format;
    std::optional<model::VolumeType> type;
    std::optional<ByteCount> capacity, allocation, physical;
    static const format::Schema& schema();
};
Volume value_of(const service::VolumePtr& volume);
Volume value_of(const service::VolumeView& view);

struct Filter {
    std::string name;
    Uuid uuid;
    std::string chain;
    static const format::Schema& schema();
};
Filter value_of(const service::FilterView& view);

struct FilterBinding {
    std::string device, filter, owner;
    std::vector<std::string> learnt;
    static const format::Schema& schema();
};
FilterBinding value_of(const service::BindingView& view);

struct FilterRule {
    std::string device;
    service::PacketWay way = service::PacketWay::from_guest;
    std::string text, filter, chain;
    int priority = 0;
    static const format::Schema& schema();
};
FilterRule value_of(const service::ExplainedRule& rule);

struct Secret {
    Uuid uuid;
    model::SecretUsageType usage = model::SecretUsageType::none;
    std::optional<std::string> usage_id, description;
    bool ephemeral = false, private_ = false;
    static const format::Schema& schema();
};
Secret value_of(const service::SecretView& view);

struct Host {
    std::string architecture, model, vendor;
    unsigned mhz = 0;
    ByteCount memory;
    unsigned processors = 0, cells = 0, sockets = 0, cores = 0, threads = 0;
    static const format::Schema& schema();
};
Host value_of(const host::Node& node);

struct HostMemory {
    ByteCount total, free, buffers, cached;
    static const format::Schema& schema();
};
HostMemory value_of(const host::MemoryUsage& memory);

struct CpuTimes {
    std::uint64_t kernel = 0, user = 0, idle = 0, iowait = 0;
    static const format::Schema& schema();
};
CpuTimes value_of(const host::CpuTimes& times);

struct SecurityModel {
    std::string model, domain_of_interpretation;
    static const format::Schema& schema();
};
SecurityModel value_of(const service::SecurityModel& model);

struct Check {
    std::string subject;
    host::Verdict verdict = host::Verdict::good;
    std::string found;
    std::optional<std::string> hint;
    static const format::Schema& schema();
};
Check value_of(const host::Check& check);

/// It is a plain value itself.
inline service::JobView value_of(const service::JobView& job) { return job; }

struct HostInterface {
    std::string name;
    std::optional<std::string> kind, mac, alias;
    std::string state;
    unsigned mtu = 0;
    bool up = false, defined = false;
    static const format::Schema& schema();
};
HostInterface value_of(const service::HostInterface& link);

/// The last segment of the path of what was just made. (Volumes and snapshots are made by jobs.)
inline std::string segment_of(const DomainName& domain) { return domain.uuid.text(); }
inline std::string segment_of(const Network& network) { return network.uuid.text(); }
inline std::string segment_of(const Filter& filter) { return filter.uuid.text(); }
inline std::string segment_of(const FilterBinding& binding) { return binding.device; }
inline std::string segment_of(const Pool& pool) { return pool.uuid.text(); }
inline std::string segment_of(const Secret& secret) { return secret.uuid.text(); }

} // namespace domus::http

namespace domus::format {

template <>
inline constexpr auto words<compute::State> =
    word_list("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended");
template <>
inline constexpr auto words<compute::JobType> =
    word_list("none", "bounded", "unbounded", "completed", "failed", "cancelled");
template <>
inline constexpr auto words<compute::JobOperation> =
    word_list("unknown", "start", "save", "restore", "migration-in", "migration-out", "snapshot", "snapshot-revert",
              "dump", "backup", "snapshot-delete");
template <> inline constexpr auto words<host::Verdict> = word_list("good", "warning", "failed");
template <> inline constexpr auto words<host::Comparison> = word_list("incompatible", "identical", "superset");

} // namespace domus::format
