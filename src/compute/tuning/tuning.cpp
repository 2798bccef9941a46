#include "compute/tuning/tuning.hpp"

#include "base/error.hpp"
#include "model/unsupported.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace domus::compute {

namespace {

void pin(int pid, int thread, const std::string& cpus) {
    if (!read_thread(pid, thread)) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const auto cpu : parse_cpuset(cpus))
        if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    // QEMU ends threads of its own at any time.
    if (::sched_setaffinity(thread, sizeof set, &set) < 0 && errno != ESRCH)
        throw system_error(errno, fmt::format("cannot pin thread {} to CPUs {}", thread, cpus), ErrorDomain::qemu)
            .hint("see 'lscpu' for the CPUs that are there");
}

/// Threads of the process that are no vCPUs.
void pin_emulator(int pid, const std::vector<int>& vcpu_threads, const std::string& cpus) {
    for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
        const int thread = std::stoi(entry.path().filename().string());
        if (std::ranges::find(vcpu_threads, thread) == vcpu_threads.end()) pin(pid, thread, cpus);
    }
}

} // namespace

std::vector<unsigned> parse_cpuset(const std::string& text) {
    const auto bad = [&] {
        return Error(ErrorCode::xml_error, ErrorDomain::domain,
                     fmt::format("'{}' is no set of CPUs like 0-3,^2", text));
    };
    std::vector<unsigned> cpus;
    std::string_view left = text;
    while (!left.empty()) {
        auto part = left.substr(0, left.find(','));
        left.remove_prefix(std::min(part.size() + 1, left.size()));
        const bool without = part.starts_with('^');
        if (without) part.remove_prefix(1);
        unsigned first = 0, last = 0;
        const auto [middle, failure] = std::from_chars(part.data(), part.data() + part.size(), first);
        if (failure != std::errc{}) throw bad();
        last = first;
        if (middle != part.data() + part.size()) {
            if (*middle != '-') throw bad();
            const auto [end, second_failure] = std::from_chars(middle + 1, part.data() + part.size(), last);
            if (second_failure != std::errc{} || end != part.data() + part.size() || last < first) throw bad();
        }
        if (last >= CPU_SETSIZE) throw bad();
        for (unsigned cpu = first; cpu <= last; ++cpu) {
            std::erase(cpus, cpu);
            if (!without) cpus.push_back(cpu);
        }
    }
    if (cpus.empty()) throw bad();
    return cpus;
}

void require_supported(const model::Domain& domain) {
    format::Findings findings;
    model::find_unsupported(domain, findings);
    format::throw_findings(findings, ErrorDomain::qemu, "<domain>");
    const auto& cpu = domain.cputune;
    for (const auto& one : cpu.vcpu_pins) (void)parse_cpuset(one.cpuset);
    for (const auto* set : {&domain.vcpu_cpuset, &cpu.emulator_pin})
        if (*set) (void)parse_cpuset(**set);
}

void pin_threads(const model::Domain& domain, int pid, const std::vector<int>& vcpu_threads) {
    if (pid == 0) return; // its machine has no process
    if (domain.vcpu_cpuset) {
        for (const auto thread : vcpu_threads) pin(pid, thread, *domain.vcpu_cpuset);
        if (!domain.cputune.emulator_pin) pin_emulator(pid, vcpu_threads, *domain.vcpu_cpuset);
    }
    if (domain.cputune.emulator_pin) pin_emulator(pid, vcpu_threads, *domain.cputune.emulator_pin);
    for (const auto& one : domain.cputune.vcpu_pins)
        if (one.vcpu < vcpu_threads.size()) pin(pid, vcpu_threads[one.vcpu], one.cpuset);
}

} // namespace domus::compute
