// What of a domain clients look at or turn while it runs, beside its life: consoles, screenshots, memory, processors,
// metadata, statistics.
#include "compute/domain.hpp"

#include "base/log.hpp"
#include "compute/derived.hpp"
#include "compute/statistics.hpp"
#include "compute/tuning.hpp"
#include "compute/xml.hpp"
#include "os/files.hpp"
#include "os/terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <functional>

namespace domus::compute {

namespace {

void require_balloon(const model::Domain& domain) {
    const auto& balloon = domain.devices.memballoon;
    if (!balloon || balloon->model == "none")
        throw Error(
            ErrorCode::operation_invalid, ErrorDomain::qemu,
            "Requested operation is not valid: Memory balloon model must be virtio to set the collection period")
            .hint("give the domain one: <memballoon model='virtio'/>");
}

/// The terminal behind a console, serial or parallel port, or channel; with no name the first that there is.
const model::CharacterDevice& find_terminal(const model::Domain& domain, const std::string& name) {
    const auto& devices = domain.devices;
    for (const auto* list : {&devices.consoles, &devices.serials, &devices.parallels})
        for (const auto& device : *list)
            if (name.empty() || device.alias == name) return device;
    throw Error(ErrorCode::internal_error, ErrorDomain::qemu,
                name.empty() ? std::string("internal error: cannot find console device '(null)'")
                             : fmt::format("internal error: cannot find console device '{}'", name))
        .hint("add <serial type='pty'/> to its definition");
}

} // namespace

UniqueFd Domain::open_console(const std::string& name) {
    const auto running = require_running();
    const auto& device = find_terminal(*running->domain, name);
    if (device.type != model::CharacterType::pty || !device.source().path)
        throw Error(
            ErrorCode::internal_error, ErrorDomain::qemu,
            fmt::format("internal error: character device {} is not using a PTY", device.alias.value_or("serial0")))
            .hint("use <serial type='pty'/>");
    return open_terminal_of(running->pid(), *device.source().path);
}

Task<Domain::Screenshot> Domain::screenshot(unsigned screen) {
    const auto turn = co_await this->turn("screenshot");
    const auto running = require_running();
    const auto& videos = running->domain->devices.videos;
    if (videos.empty())
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("domain '{}' has no display", name_))
            .hint("add <graphics type='vnc'/> and <video/> to its definition");
    UniqueFd file(::memfd_create("screenshot", MFD_CLOEXEC));
    if (!file) throw system_error(errno, "cannot create a file in memory", ErrorDomain::qemu);
    // Opened anew: the machine may only write to it, and moves the offset.
    auto passed = open_file(fmt::format("/proc/self/fd/{}", file.get()), O_WRONLY);
    co_await running->guest().screenshot(std::move(passed), videos.front().alias.value_or(""), screen);
    Screenshot picture;
    picture.file = std::move(file);
    picture.mime = "image/x-portable-pixmap";
    co_return picture;
}

Task<> Domain::set_metadata(int type, std::optional<std::string> text, std::string key, std::string uri,
                            Impact impact) {
    const auto turn = co_await this->turn("metadata");
    impact = resolve(impact);
    if (impact.config) {
        auto wanted = parse_definition(*definition_);
        compute::set_metadata(wanted, type, text, key, uri);
        co_await save_definition(std::move(wanted));
    }
    if (impact.live) change_live([&](model::Domain& live) { compute::set_metadata(live, type, text, key, uri); });
    emit(event::MetadataChange{type, uri});
}

Task<> Domain::set_memory(ByteCount amount, bool maximum, Impact impact) {
    const auto turn = co_await this->turn("set memory");
    impact = resolve(impact);
    if (maximum && impact.live)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: cannot resize the maximum memory on an active domain")
            .hint("add --config: it takes effect at the next boot");
    const auto limit = impact.live ? running_->domain->memory : definition_->summary.maximum_memory;
    if (!maximum && amount > limit)
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::qemu,
            fmt::format("invalid argument: cannot set memory higher than max memory ({} KiB)", limit.kib_ceil()))
            .hint(fmt::format("raise that first: 'domus setmaxmem {} SIZE --config'", name_));
    if (impact.live) {
        const auto& balloon = running_->domain->devices.memballoon;
        if (!balloon || balloon->model == "none")
            throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                        "Requested operation is not valid: Unable to change memory of active domain without the "
                        "balloon device");
        const auto running = require_running();
        co_await running->guest().set_balloon(amount);
    }
    if (impact.config) {
        auto wanted = parse_definition(*definition_);
        if (maximum) wanted.memory = amount;
        if (!maximum || wanted.current_memory.value_or(amount) > amount) wanted.current_memory = amount;
        co_await save_definition(std::move(wanted));
    }
}

Task<> Domain::set_memory_stats_period(std::chrono::seconds period, Impact impact) {
    const auto turn = co_await this->turn("set the period of memory statistics");
    impact = resolve(impact);
    std::optional<model::Domain> wanted;
    if (impact.config) wanted = parse_definition(*definition_);
    if (impact.live) require_balloon(*running_->domain);
    if (wanted) require_balloon(*wanted);
    const auto seconds = static_cast<unsigned>(period.count());
    const auto put = [seconds](model::Domain& into) {
        into.devices.memballoon->stats_period = seconds ? std::optional(seconds) : std::nullopt;
    };
    if (impact.live) {
        const auto running = require_running();
        co_await running->guest().set_balloon_period(*running->domain->devices.memballoon, period);
        change_live(put);
    }
    if (wanted) {
        put(*wanted);
        co_await save_definition(std::move(*wanted));
    }
}

Task<> Domain::resize_disk(std::string target, ByteCount size) {
    const auto turn = co_await this->turn("resize a disk");
    const auto running = require_running();
    const auto& disks = running->domain->devices.disks;
    const auto disk = std::ranges::find(disks, target, [](const auto& one) { return one.target.dev; });
    if (disk == disks.end())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: disk '{}' was not found in the domain config", target));
    if (disk->source.empty() || disk->readonly)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("Operation not supported: can't resize empty or readonly disk '{}'", target));
    constexpr std::uint64_t sector = 512;
    if (disk->driver.type == "qcow2" || disk->driver.type == "qed")
        size.bytes = (size.bytes + sector - 1) / sector * sector;
    co_await running->guest().resize_disk(*disk, size);
}

Task<> Domain::set_vcpus(unsigned count, bool maximum, Impact impact) {
    const auto turn = co_await this->turn("set vCPUs");
    impact = resolve(impact);
    if (count == 0)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, "invalid argument: a domain has one vCPU at least");
    if (maximum && impact.live)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    "invalid argument: maximum vcpu count of a live domain can't be modified")
            .hint("add --config: it takes effect at the next boot");
    if (impact.live) co_await change_vcpus(count);
    if (!impact.config) co_return;
    auto wanted = parse_definition(*definition_);
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
    format::Findings findings;
    model::check(wanted, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    co_await save_definition(std::move(wanted));
}

Task<> Domain::change_vcpus(unsigned count) {
    const auto running = require_running();
    if (count > running->domain->vcpu)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: requested vcpus is greater than max allowable vcpus for the live "
                                "domain: {} > {}",
                                count, running->domain->vcpu))
            .hint(fmt::format("raise that for the next boot: 'domus setvcpus {} {} --maximum --config'", name_, count));
    const auto vcpus = co_await running->guest().set_vcpus(running->domain, count);
    running->vcpu_threads = vcpus.threads;
    change_live([&](model::Domain& live) { note_vcpus(live, vcpus.booted, vcpus.present); });
    pin_threads(*running->domain, running->pid(), running->vcpu_threads);
    if (vcpus.present == count) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the guest has not let go of its vCPUs within 5 s: it has {} and not {}",
                            vcpus.present, count))
        .hint("take them offline in the guest first, or use --config");
}

/// Keeps the answer for all who ask within the next moments.
Task<> Domain::refresh_statistics(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    try {
        engine::StatisticsWish wish{running->domain, !running->balloon_kib};
        auto answer = co_await running->guest().statistics(std::move(wish));
        if (answer.balloon) running->note_balloon(*answer.balloon);
        if (running->balloon_kib) answer.balloon = *running->balloon_kib << 10;
        running->statistics = std::make_shared<const engine::MachineStatistics>(std::move(answer));
    } catch (const std::exception& error) {
        // It does not answer, or not as it should: whoever waits goes on without it.
        log::debug("domain '{}': statistics: {}", name_, error.what());
    }
    running->refreshing = false;
    running->refreshed.notify_all();
}

} // namespace domus::compute
