// Operations that change a domain, or its state.
#include "service/domains.hpp"

#include "compute/domain/define.hpp"
#include "compute/life/life.hpp"
#include "compute/tuning/amounts.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

compute::StartRequest start_request(const Caller& caller, Flags<StartFlag> flags) {
    compute::StartRequest request;
    request.paused = flags.has(StartFlag::paused);
    request.autodestroy = flags.has(StartFlag::autodestroy);
    request.force_boot = flags.has(StartFlag::force_boot);
    request.bypass_cache = flags.has(StartFlag::bypass_cache);
    request.reset_nvram = flags.has(StartFlag::reset_nvram);
    request.owner = caller.connection;
    request.caller = caller.who;
    return request;
}

compute::ShutdownMode shutdown_mode(Flags<ShutdownFlag> flags) {
    const bool agent = flags.has(ShutdownFlag::guest_agent), acpi = flags.has(ShutdownFlag::acpi_power_button);
    if (agent == acpi) return compute::ShutdownMode::automatic;
    return agent ? compute::ShutdownMode::agent : compute::ShutdownMode::acpi;
}

void require_one(Flags<UndefineFlag> flags, UndefineFlag one, UndefineFlag other, std::string_view names) {
    if (flags.has(one) && flags.has(other))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::dom,
                    fmt::format("virDomainUndefineFlags: flags {} exclude each other", names));
}

} // namespace

Task<DomainRef> DomainOperations::define(Caller caller, std::string xml, Flags<DomainDefineFlag> flags) {
    const auto how = format::reading(flags.has(DomainDefineFlag::validate));
    const auto domain = co_await domains_.define(std::move(xml), std::move(caller.who), how);
    co_return domain->ref();
}

Task<DomainRef> DomainOperations::create_xml(Caller caller, std::string xml, Flags<StartFlag> flags) {
    auto request = start_request(caller, flags);
    const auto how = format::reading(flags.has(StartFlag::validate));
    const auto domain = co_await domains_.create(std::move(xml), std::move(request), how);
    co_return domain->ref();
}

Task<DomainRef> DomainOperations::start(Caller caller, DomainRef ref, Flags<StartFlag> flags) {
    auto request = start_request(caller, flags);
    const auto domain = find(ref);
    co_await compute::start(domain, std::move(request));
    co_return domain->ref();
}

Task<> DomainOperations::undefine(DomainRef ref, Flags<UndefineFlag> flags) {
    using enum UndefineFlag;
    require_one(flags, nvram, keep_nvram, "NVRAM and KEEP_NVRAM");
    require_one(flags, tpm, keep_tpm, "TPM and KEEP_TPM");
    const auto domain = find(ref);
    co_await compute::undefine(domain, {.managed_save = flags.has(managed_save),
                                        .snapshots = flags.has(snapshots_metadata),
                                        .nvram = flags.has(nvram),
                                        .keep_nvram = flags.has(keep_nvram),
                                        .tpm = flags.has(tpm),
                                        .keep_tpm = flags.has(keep_tpm)});
}

Task<> DomainOperations::suspend(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::suspend(domain);
}

Task<> DomainOperations::resume(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::resume(domain);
}

Task<> DomainOperations::shutdown(DomainRef ref, Flags<ShutdownFlag> flags) {
    const auto domain = find(ref);
    co_await compute::shutdown(domain, shutdown_mode(flags));
}

Task<> DomainOperations::reboot(DomainRef ref, Flags<ShutdownFlag> flags) {
    const auto domain = find(ref);
    co_await compute::reboot(domain, shutdown_mode(flags));
}

Task<> DomainOperations::reset(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::reset(domain);
}

Task<> DomainOperations::inject_nmi(DomainRef ref) {
    const auto domain = find(ref);
    co_await compute::inject_nmi(domain);
}

Task<> DomainOperations::destroy(DomainRef ref, Flags<DestroyFlag> flags) {
    const auto domain = find(ref);
    co_await compute::destroy(domain, flags.has(DestroyFlag::graceful));
    if (flags.has(DestroyFlag::remove_logs)) co_await compute::remove_logs(domain);
}

Task<> DomainOperations::set_autostart(DomainRef ref, bool on) {
    const auto domain = find(ref);
    co_await compute::set_autostart(domain, on);
}

Task<> DomainOperations::rename(DomainRef ref, std::string name) {
    const auto domain = find(ref);
    co_await compute::rename(domain, std::move(name));
}

Task<> DomainOperations::set_memory(DomainRef ref, std::uint64_t kib, Flags<MemoryFlag> flags) {
    const auto domain = find(ref);
    co_await compute::set_memory(domain, ByteCount::kib(kib), flags.has(MemoryFlag::maximum), impact_of(flags));
}

Task<> DomainOperations::set_memory_stats_period(DomainRef ref, int seconds, Flags<ImpactFlag> flags) {
    if (seconds < 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    "period in virDomainSetMemoryStatsPeriod must be zero or greater");
    const auto domain = find(ref);
    co_await compute::set_memory_stats_period(domain, std::chrono::seconds(seconds), impact_of(flags));
}

Task<> DomainOperations::set_vcpus(DomainRef ref, unsigned count, Flags<VcpuFlag> flags) {
    const auto domain = find(ref);
    co_await compute::set_vcpus(domain, count, flags.has(VcpuFlag::maximum), impact_of(flags));
}

Task<> DomainOperations::set_metadata(DomainRef ref, int type, std::optional<std::string> text, std::string key,
                                      std::string uri, Flags<ImpactFlag> flags) {
    const auto domain = find(ref);
    co_await compute::set_metadata(domain, type, std::move(text), std::move(key), std::move(uri), impact_of(flags));
}

} // namespace domus::service
