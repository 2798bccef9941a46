#include "compute/tuning/amounts.hpp"

#include "compute/domain/errors.hpp"
#include "compute/memory/derived.hpp"
#include "compute/tuning/tuning.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace {

void require_balloon(const model::Domain& domain) {
    const auto& balloon = domain.devices.memballoon;
    if (!balloon || balloon->model == "none")
        throw invalid_operation("Memory balloon model must be virtio to set the collection period")
            .hint("give the domain one: <memballoon model='virtio'/>");
}

Task<> change_vcpus(DomainPtr domain, unsigned count) {
    const auto running = domain->require_running();
    if (count > running->domain->vcpu)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: requested vcpus is greater than max allowable vcpus for the live "
                                "domain: {} > {}",
                                count, running->domain->vcpu))
            .hint(fmt::format("raise that for the next boot: 'domus setvcpus {} {} --maximum --config'", domain->name(),
                              count));
    const auto vcpus = co_await running->guest().set_vcpus(running->domain, count);
    running->vcpu_threads = vcpus.threads;
    domain->change_live([&](model::Domain& live) { note_vcpus(live, vcpus.booted, vcpus.present); });
    pin_threads(*running->domain, running->pid(), running->vcpu_threads);
    if (vcpus.present == count) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the guest has not let go of its vCPUs within 5 s: it has {} and not {}",
                            vcpus.present, count))
        .hint("take them offline in the guest first, or use --config");
}

} // namespace

Task<> set_memory(DomainPtr domain, ByteCount amount, bool maximum, Impact impact) {
    const auto turn = co_await domain->turn("set memory");
    impact = domain->resolve(impact);
    if (maximum && impact.live)
        throw invalid_operation("cannot resize the maximum memory on an active domain")
            .hint("add --config: it takes effect at the next boot");
    const auto limit = impact.live ? domain->running()->domain->memory : domain->definition()->summary.maximum_memory;
    if (!maximum && amount > limit)
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::qemu,
            fmt::format("invalid argument: cannot set memory higher than max memory ({} KiB)", limit.kib_ceil()))
            .hint(fmt::format("raise that first: 'domus setmaxmem {} SIZE --config'", domain->name()));
    if (impact.live) {
        const auto& balloon = domain->running()->domain->devices.memballoon;
        if (!balloon || balloon->model == "none")
            throw invalid_operation("Unable to change memory of active domain without the balloon device");
        const auto running = domain->require_running();
        co_await running->guest().set_balloon(amount);
    }
    if (impact.config) {
        auto wanted = parse_definition(*domain->definition());
        if (maximum) wanted.memory = amount;
        if (!maximum || wanted.current_memory.value_or(amount) > amount) wanted.current_memory = amount;
        co_await domain->save_definition(std::move(wanted));
    }
}

Task<> set_memory_stats_period(DomainPtr domain, std::chrono::seconds period, Impact impact) {
    const auto turn = co_await domain->turn("set the period of memory statistics");
    impact = domain->resolve(impact);
    std::optional<model::Domain> wanted;
    if (impact.config) wanted = parse_definition(*domain->definition());
    if (impact.live) require_balloon(*domain->running()->domain);
    if (wanted) require_balloon(*wanted);
    const auto seconds = static_cast<unsigned>(period.count());
    const auto put = [seconds](model::Domain& into) {
        into.devices.memballoon->stats_period = seconds ? std::optional(seconds) : std::nullopt;
    };
    if (impact.live) {
        const auto running = domain->require_running();
        co_await running->guest().set_balloon_period(*running->domain->devices.memballoon, period);
        domain->change_live(put);
    }
    if (wanted) {
        put(*wanted);
        co_await domain->save_definition(std::move(*wanted));
    }
}

Task<> set_vcpus(DomainPtr domain, unsigned count, bool maximum, Impact impact) {
    const auto turn = co_await domain->turn("set vCPUs");
    impact = domain->resolve(impact);
    if (count == 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, "invalid argument: a domain has one vCPU at least");
    if (maximum && impact.live)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    "invalid argument: maximum vcpu count of a live domain can't be modified")
            .hint("add --config: it takes effect at the next boot");
    if (impact.live) co_await change_vcpus(domain, count);
    if (!impact.config) co_return;
    auto wanted = parse_definition(*domain->definition());
    if (maximum) {
        wanted.vcpu = count;
        wanted.vcpus.clear(); // the places are others
        if (wanted.vcpu_current.value_or(count) > count) wanted.vcpu_current = count;
    } else {
        if (count > wanted.vcpu)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                        fmt::format("invalid argument: requested vcpus is greater than max allowable vcpus for the "
                                    "persistent domain: {} > {}",
                                    count, wanted.vcpu));
        wanted.vcpu_current = count;
        for (auto& vcpu : wanted.vcpus) vcpu.enabled = vcpu.id < count;
    }
    require_sound(wanted);
    co_await domain->save_definition(std::move(wanted));
}

} // namespace domus::compute
