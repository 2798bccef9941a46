#include "service/domains.hpp"

#include "async/signal.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/domain/define.hpp"
#include "compute/domain/xml.hpp"
#include "compute/tuning/amounts.hpp"
#include "service/flags.hpp"
#include "service/key_codes.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <set>

namespace domus::service {

using namespace std::chrono_literals;

namespace {

namespace list_flag { // virConnectListAllDomainsFlags
constexpr unsigned active = 1, inactive = 2, persistent = 4, transient = 8, running = 16, paused = 32, shutoff = 64,
                   other = 128, managed_save = 256, no_managed_save = 512, autostart = 1024, no_autostart = 2048,
                   has_snapshot = 4096, no_snapshot = 8192, has_checkpoint = 16384, no_checkpoint = 32768;
constexpr unsigned all = 65535;
} // namespace list_flag

/// Of a group of two flags none, both or the right one is set.
bool passes(unsigned flags, unsigned yes, unsigned no, bool value) {
    if (!(flags & (yes | no))) return true;
    return flags & (value ? yes : no);
}

bool chosen(const DomainView& view, unsigned flags) {
    using namespace list_flag;
    if (!passes(flags, active, inactive, view.active())) return false;
    if (!passes(flags, persistent, transient, view.persistent())) return false;
    if (!passes(flags, autostart, no_autostart, view.autostart)) return false;
    if (!passes(flags, managed_save, no_managed_save, view.managed_save)) return false;
    if (!passes(flags, has_snapshot, no_snapshot, view.has_snapshots)) return false;
    if (!passes(flags, has_checkpoint, no_checkpoint, false)) return false;
    constexpr unsigned states = running | paused | shutoff | other;
    if (!(flags & states)) return true;
    switch (view.status.state) {
    case compute::State::running:
        return flags & running;
    case compute::State::paused:
        return flags & paused;
    case compute::State::shutoff:
        return flags & shutoff;
    default:
        return flags & other;
    }
}

compute::Impact impact_of(unsigned flags) { return {.live = (flags & 1) != 0, .config = (flags & 2) != 0}; }

void audit(const Caller& caller, std::string_view operation, const std::string& name) {
    log::info("{} domain '{}' asked by uid {} (connection {})", operation, name, caller.who.uid, caller.connection);
}

compute::ShutdownMode shutdown_mode(unsigned flags, std::string_view function) {
    constexpr unsigned acpi = 1, agent = 2;
    require_flags(flags, acpi | agent, function);
    if (flags & agent && !(flags & acpi)) return compute::ShutdownMode::agent;
    if (flags & acpi && !(flags & agent)) return compute::ShutdownMode::acpi;
    return compute::ShutdownMode::automatic;
}

} // namespace

DomainRef DomainOperations::lookup_by_uuid(const Uuid& uuid) const { return domains_.get(uuid, "")->view()->ref; }
DomainRef DomainOperations::lookup_by_name(const std::string& name) const {
    return domains_.get_name(name)->view()->ref;
}
DomainRef DomainOperations::lookup_by_id(int id) const { return domains_.get_id(id)->view()->ref; }
DomainViewPtr DomainOperations::view(const DomainRef& ref) const { return find(ref)->view(); }

std::vector<std::string> DomainOperations::messages(const DomainRef& ref) { return domains_.messages(*find(ref)); }

std::vector<DomainRef> DomainOperations::list(unsigned flags) const {
    require_flags(flags, list_flag::all, "virConnectListAllDomains");
    std::vector<DomainRef> refs;
    refs.reserve(domains_.size());
    domains_.each([&](const DomainPtr& domain) {
        if (chosen(*domain->view(), flags)) refs.push_back(domain->view()->ref);
    });
    return refs;
}

std::string DomainOperations::xml(const Caller& caller, const DomainRef& ref, unsigned flags) const {
    require_flags(flags, 15, "virDomainGetXMLDesc");
    constexpr unsigned secure = 1, migratable = 8;
    if (caller.read_only && (flags & (secure | migratable)))
        throw Error(ErrorCode::operation_denied, ErrorDomain::dom,
                    "operation forbidden: virDomainGetXMLDesc with secure flag")
            .hint("connect without --readonly to see secrets");
    return compute::domain_xml(*view(ref), flags);
}

Task<DomainRef> DomainOperations::define(Caller caller, std::string xml, unsigned flags) {
    constexpr unsigned validate = 1;
    require_flags(flags, validate, "virDomainDefineXMLFlags");
    const auto domain = co_await domains_.define(std::move(xml), caller.who, format::reading(flags & validate));
    audit(caller, "define", domain->name());
    co_return domain->ref();
}

namespace {

namespace start_flag { // virDomainCreateFlags
constexpr unsigned paused = 1, autodestroy = 2, bypass_cache = 4, force_boot = 8, validate = 16, reset_nvram = 32;
}

compute::StartRequest start_request(const Caller& caller, unsigned flags, std::string_view function) {
    using namespace start_flag;
    require_flags(flags, paused | autodestroy | bypass_cache | force_boot | validate | reset_nvram, function);
    compute::StartRequest request;
    request.paused = flags & paused;
    request.autodestroy = flags & autodestroy;
    request.force_boot = flags & force_boot;
    request.bypass_cache = flags & bypass_cache;
    request.reset_nvram = flags & reset_nvram;
    request.owner = caller.connection;
    request.caller = caller.who;
    return request;
}

} // namespace

Task<DomainRef> DomainOperations::create_xml(Caller caller, std::string xml, unsigned flags) {
    auto request = start_request(caller, flags, "virDomainCreateXML");
    const auto domain =
        co_await domains_.create(std::move(xml), std::move(request), format::reading(flags & start_flag::validate));
    audit(caller, "create", domain->name());
    co_return domain->ref();
}

Task<DomainRef> DomainOperations::create(Caller caller, DomainRef ref, unsigned flags) {
    auto request = start_request(caller, flags, "virDomainCreateWithFlags");
    const auto domain = find(ref);
    audit(caller, "start", domain->name());
    co_await compute::start(domain, std::move(request));
    co_return domain->ref();
}

Task<> DomainOperations::undefine(Caller caller, DomainRef ref, unsigned flags) {
    constexpr unsigned nvram = 4, keep_nvram = 8, tpm = 32, keep_tpm = 64;
    require_flags(flags, 127, "virDomainUndefineFlags");
    if ((flags & nvram) && (flags & keep_nvram))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    "virDomainUndefineFlags: flags NVRAM and KEEP_NVRAM exclude each other");
    if ((flags & tpm) && (flags & keep_tpm))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    "virDomainUndefineFlags: flags TPM and KEEP_TPM exclude each other");
    const auto domain = find(ref);
    audit(caller, "undefine", domain->name());
    co_await compute::undefine(domain, flags);
}

Task<> DomainOperations::suspend(Caller caller, DomainRef ref) {
    const auto domain = find(ref);
    audit(caller, "suspend", domain->name());
    co_await compute::suspend(domain);
}

Task<> DomainOperations::resume(Caller caller, DomainRef ref) {
    const auto domain = find(ref);
    audit(caller, "resume", domain->name());
    co_await compute::resume(domain);
}

Task<> DomainOperations::shutdown(Caller caller, DomainRef ref, unsigned flags) {
    const auto mode = shutdown_mode(flags, "virDomainShutdownFlags");
    const auto domain = find(ref);
    audit(caller, "shutdown", domain->name());
    co_await compute::shutdown(domain, mode);
}

Task<> DomainOperations::reboot(Caller caller, DomainRef ref, unsigned flags) {
    const auto mode = shutdown_mode(flags, "virDomainReboot");
    const auto domain = find(ref);
    audit(caller, "reboot", domain->name());
    co_await compute::reboot(domain, mode);
}

Task<> DomainOperations::reset(Caller caller, DomainRef ref, unsigned flags) {
    require_flags(flags, 0, "virDomainReset");
    const auto domain = find(ref);
    audit(caller, "reset", domain->name());
    co_await compute::reset(domain);
}

Task<> DomainOperations::destroy(Caller caller, DomainRef ref, unsigned flags) {
    constexpr unsigned graceful = 1, remove_logs = 2;
    require_flags(flags, graceful | remove_logs, "virDomainDestroyFlags");
    const auto domain = find(ref);
    audit(caller, "destroy", domain->name());
    co_await compute::destroy(domain, flags & graceful);
    if (flags & remove_logs) co_await compute::remove_logs(domain);
}

Task<> DomainOperations::set_autostart(Caller caller, DomainRef ref, bool on) {
    const auto domain = find(ref);
    audit(caller, on ? "autostart" : "autostart --disable", domain->name());
    co_await compute::set_autostart(domain, on);
}

Task<> DomainOperations::rename(Caller caller, DomainRef ref, std::string name, unsigned flags) {
    require_flags(flags, 0, "virDomainRename");
    const auto domain = find(ref);
    audit(caller, "rename", domain->name());
    co_await compute::rename(domain, std::move(name));
}

Task<> DomainOperations::set_memory(Caller caller, DomainRef ref, std::uint64_t kib, unsigned flags) {
    constexpr unsigned maximum = 4;
    require_flags(flags, 7, "virDomainSetMemoryFlags");
    const auto domain = find(ref);
    audit(caller, "set memory of", domain->name());
    co_await compute::set_memory(domain, ByteCount::kib(kib), flags & maximum, impact_of(flags));
}

Task<> DomainOperations::set_memory_stats_period(Caller caller, DomainRef ref, int seconds, unsigned flags) {
    require_flags(flags, 3, "virDomainSetMemoryStatsPeriod");
    if (seconds < 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    "period in virDomainSetMemoryStatsPeriod must be zero or greater");
    const auto domain = find(ref);
    audit(caller, "set the period of memory statistics of", domain->name());
    co_await compute::set_memory_stats_period(domain, std::chrono::seconds(seconds), impact_of(flags));
}

Task<> DomainOperations::set_vcpus(Caller caller, DomainRef ref, unsigned count, unsigned flags) {
    constexpr unsigned maximum = 4;
    require_flags(flags, 7, "virDomainSetVcpusFlags");
    const auto domain = find(ref);
    audit(caller, "set vCPUs of", domain->name());
    co_await compute::set_vcpus(domain, count, flags & maximum, impact_of(flags));
}

unsigned DomainOperations::get_vcpus(const DomainRef& ref, unsigned flags) const {
    constexpr unsigned live = 1, config = 2, maximum = 4;
    require_flags(flags, live | config | maximum, "virDomainGetVcpusFlags");
    const auto view = this->view(ref);
    if ((flags & live) && !view->active())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain is not running");
    if ((flags & config) && !view->persistent())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: transient domains do not have any persistent config");
    const auto& summary = (flags & config) ? view->definition->summary : view->summary();
    return (flags & maximum) ? summary.maximum_vcpus : summary.vcpus;
}

Task<> DomainOperations::set_metadata(Caller caller, DomainRef ref, int type, std::optional<std::string> text,
                                      std::string key, std::string uri, unsigned flags) {
    require_flags(flags, 3, "virDomainSetMetadata");
    const auto domain = find(ref);
    audit(caller, "set metadata of", domain->name());
    co_await compute::set_metadata(domain, type, std::move(text), std::move(key), std::move(uri), impact_of(flags));
}

std::string DomainOperations::get_metadata(const DomainRef& ref, int type, const std::string& uri,
                                           unsigned flags) const {
    require_flags(flags, 3, "virDomainGetMetadata");
    return compute::domain_metadata(*view(ref), type, uri, impact_of(flags));
}

namespace {

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

Task<std::vector<DomainOperations::Record>> DomainOperations::statistics(std::vector<DomainRef> names, unsigned groups,
                                                                         unsigned flags) {
    constexpr unsigned no_wait = 1u << 29, backing = 1u << 30, enforce = 1u << 31;
    require_flags(flags, 0xff | no_wait | backing | enforce, "virConnectGetAllDomainStats");
    if (groups == 0) groups = compute::group::all;
    if ((groups & ~compute::group::all) && (flags & enforce))
        throw Error(
            ErrorCode::argument_unsupported, ErrorDomain::qemu,
            fmt::format("stats types bits 0x{:x} are not supported by this daemon", groups & ~compute::group::all));
    std::vector<DomainPtr> domains;
    if (names.empty()) {
        domains.reserve(domains_.size());
        domains_.each([&](const DomainPtr& domain) {
            if (chosen(*domain->view(), flags & 0xff)) domains.push_back(domain);
        });
    } else {
        std::set<Uuid> asked; // a call names up to 16,384 domains; naming one of them again costs nothing
        for (const auto& name : names)
            if (auto domain = domains_.find(name.uuid); domain && asked.insert(name.uuid).second)
                domains.push_back(std::move(domain));
    }

    const auto executor = co_await asio::this_coro::executor;
    const auto collection = std::make_shared<Collection>(executor);
    collection->statistics.resize(domains.size());
    const bool ask = (groups & compute::group::of_machine) && !(flags & no_wait);
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

    std::vector<Record> records;
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

Task<std::vector<compute::MemoryStatistic>> DomainOperations::memory_statistics(DomainRef ref, unsigned flags) {
    require_flags(flags, 0, "virDomainMemoryStats");
    const auto domain = find(ref);
    if (!domain->view()->active())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain is not running");
    const auto view = domain->view(); // it may go while the guest is asked
    const auto statistics = co_await compute::machine_statistics(domain, 250ms, Deadline::in(800ms));
    co_return compute::memory_statistics(*view, statistics.get());
}

Task<> DomainOperations::inject_nmi(Caller caller, DomainRef ref, unsigned flags) {
    require_flags(flags, 0, "virDomainInjectNMI");
    const auto domain = find(ref);
    audit(caller, "inject NMI into", domain->name());
    co_await compute::inject_nmi(domain);
}

Task<> DomainOperations::send_key(Caller caller, DomainRef ref, unsigned codeset, std::vector<std::uint32_t> codes,
                                  unsigned hold_ms, unsigned flags) {
    require_flags(flags, 0, "virDomainSendKey");
    for (auto& code : codes) code = qemu_key_number(codeset, code);
    const auto domain = find(ref);
    audit(caller, "send keys to", domain->name());
    co_await compute::send_key(domain, std::move(codes), hold_ms);
}

UniqueFd DomainOperations::open_console(const Caller& caller, const DomainRef& ref, const std::string& device) {
    const auto domain = find(ref);
    audit(caller, "open console of", domain->name());
    return compute::open_console(*domain, device);
}

Task<compute::Screenshot> DomainOperations::screenshot(Caller caller, DomainRef ref, unsigned screen) {
    const auto domain = find(ref);
    audit(caller, "take screenshot of", domain->name());
    auto picture = co_await compute::screenshot(domain, screen);
    co_return picture;
}

DomainOperations::Control DomainOperations::control(const DomainRef& ref) const {
    const auto domain = find(ref);
    if (!domain->view()->active())
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain is not running");
    const auto job = domain->job();
    if (job.name.empty()) return {};
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - job.since).count();
    return {1, static_cast<std::uint64_t>(since)};
}

} // namespace domus::service
