#include "compute/statistics/machine_statistics.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/life/guest.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto agent_timeout = 5s;

/// Keeps the answer for all who ask within the next moments.
Task<> refresh_statistics(DomainPtr domain, std::shared_ptr<Running> running) {
    try {
        engine::StatisticsWish wish{running->domain, !running->balloon_kib};
        auto answer = co_await running->guest().statistics(std::move(wish));
        if (answer.balloon) running->note_balloon(*answer.balloon);
        if (running->balloon_kib) answer.balloon = *running->balloon_kib << 10;
        running->statistics = std::make_shared<const engine::MachineStatistics>(std::move(answer));
    } catch (const std::exception& error) {
        // It does not answer, or not as it should: whoever waits goes on without it.
        log::debug("domain '{}': statistics: {}", domain->name(), error.what());
    }
    running->refreshing = false;
    running->refreshed.notify_all();
}

} // namespace

MachineStatisticsPtr latest_statistics(const Domain& domain) {
    return domain.running() ? domain.running()->statistics : nullptr;
}

Task<MachineStatisticsPtr> machine_statistics(DomainPtr domain, std::chrono::milliseconds age, Deadline by) {
    const auto running = domain->running();
    if (!running || running->starting) co_return nullptr;
    if (running->statistics && Clock::now() - running->statistics->at < age) co_return running->statistics;
    if (!running->refreshing) {
        running->refreshing = true;
        spawn(domain->environment().executor, refresh_statistics(domain, running),
              fmt::format("statistics of '{}'", domain->name()));
        if (!running->refreshing) co_return running->statistics; // there was nothing to ask
    }
    const auto before = running->statistics;
    (void)co_await running->refreshed.wait(by);
    if (running->statistics != before) co_return running->statistics;
    co_return nullptr;
}

Task<std::vector<GuestInterface>> guest_interfaces(DomainPtr domain) {
    const auto running = domain->require_running();
    boost::json::object nothing;
    const auto answer = co_await require_agent(*domain, *running)
                            .execute("guest-network-get-interfaces", std::move(nothing), Deadline::in(agent_timeout));
    co_return read_guest_interfaces(answer);
}

} // namespace domus::compute
