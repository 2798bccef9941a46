// What of a domain clients look at or turn while it runs, beside its life: consoles, screenshots, memory, processors,
// metadata, figures.
#include "compute/domain.hpp"

#include "base/log.hpp"
#include "compute/statistics.hpp"
#include "compute/xml.hpp"
#include "engine/qemu/command.hpp"
#include "os/files.hpp"
#include "os/terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <functional>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s;
constexpr auto resize_patience = 30s; ///< on storage that answers

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
    return open_terminal_of(running->process.pid(), *device.source().path);
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
    // Opened anew, since QEMU writes to what it can only write to, and moves the offset.
    auto passed = open_file(fmt::format("/proc/self/fd/{}", file.get()), O_WRONLY);
    const auto answer =
        co_await running->monitor->execute_with_fd("add-fd", {}, std::move(passed), Deadline::in(patience));
    const auto set = answer.as_object().at("fdset-id").to_number<std::int64_t>();
    json::object arguments{{"filename", fmt::format("/dev/fdset/{}", set)}};
    if (videos.front().alias) arguments["device"] = *videos.front().alias;
    if (screen > 0) arguments["head"] = screen;
    std::vector<qmp::Command> commands;
    commands.push_back({"screendump", std::move(arguments)});
    json::object end{{"fdset-id", set}};
    commands.push_back({"remove-fd", std::move(end)});
    (void)co_await running->monitor->execute_all(std::move(commands), Deadline::in(patience));
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
        json::object arguments;
        arguments["value"] = amount.bytes;
        co_await require_running()->monitor->execute("balloon", std::move(arguments), Deadline::in(patience));
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
        json::object arguments = engine::qemu::stats_period(*running_->domain->devices.memballoon, seconds);
        co_await require_running()->monitor->execute("qom-set", std::move(arguments), Deadline::in(patience));
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
    json::object arguments;
    arguments["node-name"] = engine::qemu::node_of(*disk);
    arguments["size"] = size.bytes;
    co_await running->monitor->execute("block_resize", std::move(arguments), Deadline::in(resize_patience));
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
    if (impact.live) co_await plug_vcpus(count);
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

/// Asks the monitor in one write, and only what can have changed: a command costs QEMU some hundred microseconds. Keeps
/// the answer for all who ask within the next moments.
Task<> Domain::refresh_figures(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    const auto& devices = running->domain->devices;
    const auto balloon =
        devices.memballoon && devices.memballoon->model != "none" ? devices.memballoon->alias : std::nullopt;
    auto figures = std::make_shared<Figures>();
    std::vector<qmp::Command> commands;
    std::vector<std::function<void(json::value)>> takers;
    const auto ask = [&](std::string command, json::object arguments, std::function<void(json::value)> taker) {
        commands.push_back({std::move(command), std::move(arguments)});
        takers.push_back(std::move(taker));
    };
    if (!devices.disks.empty())
        ask("query-blockstats", {},
            [&](json::value answer) { figures->block = block_entries(running->domain->devices, std::move(answer)); });
    if (balloon && !running->balloon_kib)
        ask("query-balloon", {},
            [&](json::value answer) { running->note_balloon(answer.at("actual").to_number<std::uint64_t>()); });
    if (balloon) figures->memory = json::object{{"last-update", 0}};
    if (balloon && devices.memballoon->stats_period.value_or(0) > 0) {
        json::object statistics{{"path", fmt::format("/machine/peripheral/{}", *balloon)}, {"property", "guest-stats"}};
        ask("qom-get", std::move(statistics), [&](json::value answer) { figures->memory = std::move(answer); });
    }
    try {
        auto answers = co_await running->monitor->execute_all(std::move(commands), Deadline::in(patience));
        for (std::size_t i = 0; i < answers.size(); ++i) takers[i](std::move(answers[i]));
        figures->at = Clock::now();
        figures->balloon_kib = running->balloon_kib.value_or(0);
        running->figures = std::move(figures);
    } catch (const std::exception& error) {
        // It does not answer, or not as QEMU does: whoever waits goes on without it.
        log::debug("domain '{}': figures: {}", name_, error.what());
    }
    running->refreshing = false;
    running->refreshed.notify_all();
}

} // namespace domus::compute
