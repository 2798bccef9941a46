#include "service/statistics.hpp"

#include "async/signal.hpp"
#include "async/spawn.hpp"
#include "compute/domain/errors.hpp"
#include "os/proc.hpp"
#include "service/domains.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <set>

namespace domus::service {

using namespace std::chrono_literals;

namespace {

Error not_running() { return compute::invalid_operation("domain is not running"); }

/// By its target or its source, as libvirt's calls name a disk.
const compute::DiskSummary& find_disk(const DomainView& view, const std::string& name) {
    for (const auto& disk : view.summary().disks)
        if (disk.target == name || (!disk.source.empty() && disk.source == name)) return disk;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, fmt::format("invalid argument: invalid path: {}", name))
        .hint("'domus domblklist' shows the targets and sources of its disks");
}

/// By its target, as the domain has it now.
model::Disk disk_of(const DomainView& view, const std::string& target) {
    const auto domain = view.live ? *view.live->domain : compute::parse_definition(*view.definition);
    return *std::ranges::find(domain.devices.disks, target, [](const auto& disk) { return disk.target.dev; });
}

/// Collects statistics of many domains at once: each answers in its own time, and the last one ends the wait.
struct Collection {
    explicit Collection(Executor executor) : done(executor) {}
    std::vector<compute::MachineStatisticsPtr> statistics;
    std::size_t waiting = 0;
    Notice done;
};

Task<> collect(DomainPtr domain, std::size_t index, std::shared_ptr<Collection> collection, Deadline by) {
    collection->statistics[index] = co_await compute::machine_statistics(domain, 250ms, by);
    if (--collection->waiting == 0) collection->done.notify_all();
}

} // namespace

std::vector<DomainPtr> StatisticsOperations::choose(const std::vector<DomainRef>& names,
                                                    Flags<StatisticsFlag> flags) const {
    constexpr unsigned of_list = 0xff;
    const auto listed = Flags<DomainListFlag>::from_bits(flags.bits() & of_list);
    std::vector<DomainPtr> domains;
    if (names.empty()) {
        domains.reserve(domains_.size());
        domains_.each([&](const DomainPtr& domain) {
            if (chosen(*domain->view(), listed)) domains.push_back(domain);
        });
        return domains;
    }
    std::set<Uuid> asked; // a call names up to 16,384 domains; naming one of them again costs nothing
    for (const auto& name : names)
        if (auto domain = domains_.find(name.uuid); domain && asked.insert(name.uuid).second)
            domains.push_back(std::move(domain));
    return domains;
}

Task<std::vector<StatisticsRecord>> StatisticsOperations::all(std::vector<DomainRef> names, unsigned groups,
                                                              Flags<StatisticsFlag> flags) {
    if (groups == 0) groups = compute::group::all;
    if ((groups & ~compute::group::all) && flags.has(StatisticsFlag::enforce))
        throw Error(
            ErrorCode::argument_unsupported, ErrorDomain::qemu,
            fmt::format("stats types bits 0x{:x} are not supported by this daemon", groups & ~compute::group::all));
    const auto domains = choose(names, flags);

    const auto executor = co_await asio::this_coro::executor;
    const auto collection = std::make_shared<Collection>(executor);
    collection->statistics.resize(domains.size());
    const bool ask = (groups & compute::group::of_machine) && !flags.has(StatisticsFlag::no_wait);
    const auto by = Deadline::in(800ms);
    for (std::size_t i = 0; i < domains.size(); ++i) {
        collection->statistics[i] = compute::latest_statistics(*domains[i]);
        if (!ask || !domains[i]->view()->active()) continue;
        ++collection->waiting;
        spawn(executor, collect(domains[i], i, collection, by), "statistics");
    }
    std::vector<DomainViewPtr> views;
    if (groups & compute::group::block)
        for (const auto& domain : domains) views.push_back(domain->view());
    const auto sizes = co_await disk_sizes(views, by);
    if (collection->waiting > 0) (void)co_await collection->done.wait(Deadline::in(900ms));

    std::vector<StatisticsRecord> records;
    records.reserve(domains.size());
    constexpr std::size_t at_once = 64; // then others have their turn
    for (std::size_t i = 0; i < domains.size(); ++i) {
        if (i % at_once == at_once - 1) co_await asio::post(executor, use_task);
        const auto view = domains[i]->view();
        if (!view || (!view->live && !view->definition)) continue; // it went while it was asked
        // Sizes are those of the disks that it had a moment ago; what was plugged in since has its own next time.
        const bool same =
            i < views.size() && views[i] && views[i]->summary().disks.size() == view->summary().disks.size();
        records.push_back({view->ref, compute::statistics(*view, collection->statistics[i].get(),
                                                          same ? sizes[i] : compute::DiskSizes(), groups)});
    }
    co_return records;
}

Task<std::vector<compute::MemoryStatistic>> StatisticsOperations::memory(DomainRef ref) {
    const auto domain = find(ref);
    if (!domain->view()->active()) throw not_running();
    const auto view = domain->view(); // it may go while the guest is asked
    const auto statistics = co_await compute::machine_statistics(domain, 250ms, Deadline::in(800ms));
    co_return compute::memory_statistics(*view, statistics.get());
}

Task<std::map<std::string, std::uint64_t>> StatisticsOperations::block_counters(DomainRef ref, std::string disk) {
    const auto domain = find(ref);
    if (!domain->view()->active()) throw not_running();
    const auto statistics = co_await compute::machine_statistics(domain, 250ms, Deadline::in(800ms));
    const auto view = domain->view();
    if (!view || !view->active()) throw not_running();
    std::optional<std::string> target;
    if (!disk.empty()) target = find_disk(*view, disk).target;
    if (!statistics)
        throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                    fmt::format("the monitor of domain '{}' did not answer in time", view->ref.name))
            .hint(fmt::format("its process hangs: see 'domus domstate {} --reason' and the host's storage",
                              view->ref.name));
    co_return compute::block_counters(*view, *statistics, target);
}

compute::InterfaceCounters StatisticsOperations::interface_counters(const DomainRef& ref,
                                                                    const std::string& device) const {
    const auto view = find(ref)->view();
    if (!view->active()) throw not_running();
    for (const auto& interface : view->live->domain->devices.interfaces)
        if (interface.target_dev && (interface.target_dev == device || interface.mac == device))
            if (const auto counters = compute::interface_counters(*interface.target_dev)) return *counters;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                fmt::format("invalid argument: invalid path, '{}' is not a known interface", device))
        .hint("'domus domiflist' shows them; those of type 'user' have no device on the host");
}

Task<compute::ImageSizes> StatisticsOperations::block_info(DomainRef ref, std::string disk) {
    const auto found = find_disk(*find(ref)->view(), disk);
    if (found.source.empty())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: disk '{}' does not currently have a source assigned", disk));
    auto named = disk_of(*find(ref)->view(), found.target);
    const auto placed = co_await domains_.placed(std::move(named));
    if (!placed.source.file && !placed.source.dev)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("Operation not supported: disk '{}' is no file and no device of this host", disk))
            .hint("'domus domstats --block' shows what the guest reads and writes");
    const auto executor = co_await asio::this_coro::executor;
    Lane lane(executor, "a look at an image", 1); // of its own: what hangs here holds up nobody
    auto work = [path = placed.source.file ? *placed.source.file : *placed.source.dev, format = found.format] {
        return compute::read_image_sizes(path, format);
    };
    const auto info = co_await lane.run(Deadline::in(10s), std::move(work));
    co_return info;
}

std::string StatisticsOperations::image_of(const DomainView& view, std::size_t disk) const {
    const auto& source = view.summary().disks[disk].source;
    if (source.empty() || source.starts_with('/')) return source;
    // A volume; or an image on a server, whose size nobody here can read.
    if (view.live) return domains_.known_image(view.live->domain->devices.disks[disk]);
    return domains_.known_image(compute::parse_definition(*view.definition).devices.disks[disk]);
}

Task<std::vector<compute::DiskSizes>> StatisticsOperations::disk_sizes(std::vector<DomainViewPtr> views, Deadline by) {
    std::vector<compute::ImageName> images;
    for (const auto& view : views)
        for (std::size_t i = 0; view && i < view->summary().disks.size(); ++i)
            images.push_back({image_of(*view, i), view->summary().disks[i].format});
    auto all = co_await domains_.image_sizes().read(std::move(images), by);
    std::vector<compute::DiskSizes> sizes(views.size());
    auto next = all.begin();
    for (std::size_t i = 0; i < views.size(); ++i)
        for (std::size_t disk = 0; views[i] && disk < views[i]->summary().disks.size(); ++disk)
            sizes[i].push_back(*next++);
    co_return sizes;
}

DomainInfo StatisticsOperations::info(const DomainRef& ref) const {
    const auto view = find(ref)->view();
    const auto& summary = view->summary();
    return {view->status.state, summary.maximum_memory, summary.memory, summary.vcpus, compute::cpu_time(*view)};
}

std::vector<Vcpu> StatisticsOperations::vcpus(const DomainRef& ref) const {
    const auto view = find(ref)->view();
    if (!view->active()) throw compute::invalid_operation("cannot retrieve vcpu information for inactive domain");
    std::vector<Vcpu> vcpus;
    for (const auto thread : view->live->vcpu_threads) {
        auto& vcpu = vcpus.emplace_back();
        if (const auto statistics = read_thread(view->live->pid, thread)) {
            vcpu.time_ns = statistics->user_time_ns + statistics->system_time_ns;
            vcpu.processor = statistics->processor;
        }
        vcpu.affinity = compute::affinity_of(thread);
    }
    return vcpus;
}

std::vector<std::vector<unsigned>> StatisticsOperations::vcpu_affinities(const DomainRef& ref,
                                                                         Flags<ImpactFlag>) const {
    const auto view = find(ref)->view();
    std::vector<std::vector<unsigned>> affinities;
    for (std::size_t i = 0; i < view->summary().maximum_vcpus; ++i) {
        const bool threaded = view->live && i < view->live->vcpu_threads.size();
        affinities.push_back(compute::affinity_of(threaded ? view->live->vcpu_threads[i] : 0));
    }
    return affinities;
}

ControlState StatisticsOperations::control(const DomainRef& ref) const {
    const auto domain = find(ref);
    if (!domain->view()->active()) throw not_running();
    const auto job = domain->job();
    if (job.name.empty()) return {};
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - job.since).count();
    return {1, static_cast<std::uint64_t>(since)};
}

} // namespace domus::service
