#include "network/running.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "network/admission.hpp"
#include "network/firewall.hpp"
#include "network/foreign.hpp"
#include "network/links.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>

namespace domus::network {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

void allow_forwarding() {
    const char* file = "/proc/sys/net/ipv4/ip_forward";
    if (read_file(file, 16).starts_with('1')) return;
    const auto fd = open_file(file, O_WRONLY);
    write_all(fd.get(), "1\n", file);
}

/// Bridges and subnets of its own, each once: what another network uses now cannot be used again.
void require_apart(const model::Network& wanted, const model::Network& other) {
    if (!wanted.has_own_bridge() || !other.has_own_bridge()) return;
    for (const auto& mine : subnets_of(wanted))
        for (const auto& used : subnets_of(other))
            if (mine.overlaps(used))
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: Network is already in use by interface {}",
                                        other.bridge.name.value_or("")))
                    .because(fmt::format("{} overlaps {} of network '{}'", mine.text(), used.text(), other.name))
                    .hint("choose another subnet with 'domus net-edit'");
}

std::string conf_argument(const DnsmasqFiles& files) {
    return fmt::format("--conf-file={}", files.configuration.string());
}

/// The process of the pid file, if it is the dnsmasq of this configuration.
std::shared_ptr<Process> stray_dnsmasq(const fs::path& pid_file, const std::string& argument) try {
    if (!fs::exists(pid_file)) return nullptr;
    const int pid = std::atoi(read_file(pid_file, 64).c_str());
    const auto figures = pid > 0 ? read_process(pid) : std::nullopt;
    if (!figures || !read_file(fmt::format("/proc/{}/cmdline", pid), largest_file).contains(argument + '\0'))
        return nullptr;
    auto process = Process::adopt(pid, figures->start_time);
    if (!process) return nullptr;
    process->release();
    return std::make_shared<Process>(std::move(*process));
} catch (const std::exception&) {
    return nullptr; // it ended while we looked
}

void make_bridge_of(model::Network& live, bool choose) {
    if (choose) {
        const auto subnet = choose_subnet(subnets_in_use());
        auto& ip = live.ips.emplace_back();
        ip.address = address_text(subnet.address);
        ip.netmask = address_text(subnet.mask());
        ip.dhcp = true;
        auto& range = ip.dhcp_ranges.emplace_back();
        range.start = address_text(subnet.first() + 2);
        range.end = address_text(subnet.last() - 1);
    }
    const auto wanted = subnets_of(live);
    for (const auto& used : subnets_in_use())
        for (const auto& mine : wanted)
            if (used.prefix > 0 && used.overlaps(mine))
                throw Error(ErrorCode::internal_error, ErrorDomain::network,
                            fmt::format("internal error: Network is already in use by a route or address of this host: "
                                        "{} overlaps {}",
                                        mine.text(), used.text()))
                    .hint("see 'ip route', and choose another subnet with 'domus net-edit'");
    const BridgeWish wish{*live.bridge.name, live.mac.value_or(random_mac()), live.bridge.stp != model::OnOff::off,
                          live.bridge.delay.value_or(0), live.mtu};
    create_bridge(wish);
    try {
        for (const auto& subnet : wanted) add_address(wish.name, subnet);
        set_up(wish.name);
        if (live.mode() != model::ForwardMode::none) allow_forwarding();
    } catch (...) {
        delete_link(wish.name);
        throw;
    }
}

} // namespace

std::string random_mac() {
    const auto random = Uuid::random();
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", random.bytes[0], random.bytes[1], random.bytes[2]);
}

std::string words_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        return error.what();
    }
}

/// A start under way: what a failure has to undo, and its name.
struct Driver::Start {
    NetworkPtr network;
    std::shared_ptr<model::Network> live;
    bool kept = false; ///< it has a definition on the disk
    Made made = Made::nothing;
    std::string step;
};

Task<> Driver::apply_rules(std::string script) {
    Command command("nft");
    command.arguments = {"-f", "-"};
    const auto output = co_await run_command(command, Deadline::in(patience), std::move(script));
    if (output.status.success()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::network, "the firewall's rules were refused")
        .because(output.err)
        .hint("see 'domus doctor'");
}

Task<std::string> Driver::list_rules() {
    Command command("nft");
    command.arguments = {"-j", "list", "ruleset"};
    auto output = co_await run_command(command, Deadline::in(patience));
    if (!output.status.success())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "the firewall's rules cannot be listed")
            .because(output.err);
    co_return std::move(output.out);
}

/// What cannot be opened (a table may belong to one process alone) is logged: the network runs, and guests may be cut
/// off.
Task<> Driver::open_foreign_chains(std::string bridge) {
    std::exception_ptr trouble;
    try {
        co_await close_foreign_chains(bridge); // of a daemon that died
        const auto ruleset = co_await list_rules();
        auto script = foreign_acceptance(ruleset, bridge);
        if (script.empty()) co_return;
        co_await apply_rules(std::move(script));
        log::info("bridge '{}' is let through the chains of others whose policy is to drop", bridge);
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble)
        log::warning("bridge '{}': chains of others may drop what its guests send: {}", bridge, words_of(trouble));
}

Task<> Driver::close_foreign_chains(std::string bridge) {
    const auto ruleset = co_await list_rules();
    auto script = foreign_removal(ruleset, bridge);
    if (!script.empty()) co_await apply_rules(std::move(script));
}

Task<> Driver::run_dnsmasq(NetworkPtr network, std::shared_ptr<const model::Network> live) {
    co_await end_dnsmasq(network);
    const auto files = files_of(network->name);
    auto work = [live, files] {
        ensure_directory(files.configuration.parent_path(), 0755);
        replace_file(files.configuration, dnsmasq_configuration(*live, subnets_of(*live), files), 0644);
        replace_file(files.hosts, dnsmasq_hosts(*live), 0644);
        replace_file(files.addresses, dnsmasq_addresses(*live), 0644);
    };
    co_await lane_.run(Deadline::in(patience), std::move(work));
    // --test first: what it refuses, it says in words; a daemon's complaint would only be in the system's log.
    Command test("dnsmasq");
    test.arguments = {"--test", fmt::format("--conf-file={}", files.configuration.string())};
    const auto output = co_await run_command(test, Deadline::in(patience));
    if (!output.status.success())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "dnsmasq refuses the network's configuration")
            .because(output.err);
    Command command("dnsmasq");
    command.arguments = {"--keep-in-foreground", "--log-facility=-", conf_argument(files),
                         fmt::format("--pid-file={}", pid_file_of(network->name).string())};
    const auto log = folders_.library / (network->name + ".log");
    command.redirect(open_file(log, O_WRONLY | O_CREAT | O_TRUNC, 0640), 2);
    const auto process = std::make_shared<Process>(Process::spawn(command));
    command.fds.clear();
    co_await sleep_until(Deadline::in(50ms));
    if (const auto ended = process->poll())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, fmt::format("dnsmasq {}", ended->text()))
            .because(read_file(log, largest_file));
    network->dnsmasq = process;
}

Task<> Driver::write_record(NetworkPtr network, std::shared_ptr<const model::Network> live, bool kept) {
    Record record;
    if (network->dnsmasq) {
        record.pid = network->dnsmasq->pid();
        record.start_time = network->dnsmasq->start_time();
    }
    record.persistent = kept;
    record.network = *live;
    auto work = [path = record_of(network->name), xml = format::to_xml(record)] { replace_file(path, xml, 0600); };
    co_await lane_.run(Deadline::in(patience), std::move(work));
}

Task<> Driver::build(Start& start) {
    const auto& live = start.live;
    const bool choose = live->has_own_bridge() && live->ips.empty() && live->name == "default";
    if (live->has_own_bridge()) {
        start.step = "making the bridge";
        auto work = [live, choose] { make_bridge_of(*live, choose); };
        co_await lane_.run(Deadline::in(patience), std::move(work));
        start.made = Made::bridge;
        start.step = "setting the firewall's rules";
        co_await apply_rules(firewall_rules(*live, subnets_of(*live)));
        start.made = Made::rules;
        if (live->mode() != model::ForwardMode::open) co_await open_foreign_chains(*live->bridge.name);
        start.step = "running dnsmasq";
        start.made = Made::files;
        if (!live->ips.empty()) co_await run_dnsmasq(start.network, live);
    }
    // The subnet of the default network is chosen once, and is then its definition.
    start.step = "keeping the subnet that was chosen";
    if (choose && start.kept) co_await save(live);
    start.step = "writing its record";
    co_await write_record(start.network, live, start.kept);
    if (choose && start.kept) start.network->definition = live;
}

Task<> Driver::run(NetworkPtr network, std::shared_ptr<const model::Network> wanted) {
    for (const auto& [name, other] : networks_)
        if (other->live) require_apart(*wanted, *other->live);
    Start start;
    start.network = network;
    start.live = std::make_shared<model::Network>(*wanted);
    start.kept = network->definition != nullptr;
    std::exception_ptr failure;
    try {
        co_await build(start);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await take_down(network, start.live, start.made);
        try {
            std::rethrow_exception(failure);
        } catch (Error& error) {
            error.prefix(fmt::format("cannot start network '{}': {}", network->name, start.step));
            throw;
        }
    }
    network->live = start.live;
    if (network->dnsmasq) network->dnsmasq->release();
    watch(network);
    log::info("network '{}' runs on bridge '{}'", network->name, network->live->bridge.name.value_or(""));
    emit_(view(*network), NetworkEvent::started);
}

/// It ends at once when it is told to; what does not is killed. One that is not known ends too: it was started by a
/// daemon that died before it had written its record.
Task<> Driver::end_dnsmasq(NetworkPtr network) {
    auto process = std::exchange(network->dnsmasq, nullptr);
    if (!process) process = stray_dnsmasq(pid_file_of(network->name), conf_argument(files_of(network->name)));
    if (!process || !process->signal(SIGTERM)) co_return;
    const auto by = Deadline::in(2s);
    while (!process->poll() && !by.expired()) co_await sleep_until(Deadline::in(2ms));
    process->signal(SIGKILL);
}

/// Undoes what was made of a network; what cannot be undone is logged, and does not keep the rest.
Task<> Driver::take_down(NetworkPtr network, std::shared_ptr<const model::Network> live, Made made) {
    std::exception_ptr trouble;
    co_await end_dnsmasq(network);
    try {
        if (made >= Made::rules) {
            co_await apply_rules(firewall_removal(*live));
            co_await close_foreign_chains(*live->bridge.name);
        }
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("network '{}': its firewall's rules stay: {}", network->name, words_of(trouble));
    trouble = nullptr;
    const auto files = files_of(network->name);
    std::vector<fs::path> made_files{record_of(network->name), pid_file_of(network->name)};
    if (made >= Made::files)
        for (const auto& file :
             {files.configuration, files.hosts, files.addresses, folders_.library / (network->name + ".log")})
            made_files.push_back(file);
    auto work = [bridge = made >= Made::bridge ? *live->bridge.name : std::string(), made_files] {
        std::error_code ignored;
        for (const auto& file : made_files) fs::remove(file, ignored);
        if (!bridge.empty()) delete_link(bridge);
    };
    try {
        co_await lane_.run(Deadline::in(patience), std::move(work));
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("network '{}': its bridge stays: {}", network->name, words_of(trouble));
}

void Driver::watch(NetworkPtr network) {
    if (network->live->has_own_bridge() && !network->live->ips.empty())
        spawn(executor_, keep_dnsmasq(network), fmt::format("dnsmasq of network '{}'", network->name));
}

/// Runs it again whenever it has died, the later the faster it dies, until the network stops.
Task<> Driver::keep_dnsmasq(NetworkPtr network) {
    constexpr Clock::duration first = 500ms, last = 60s;
    auto pause = first;
    while (true) {
        const auto mine = network->dnsmasq;
        const auto since = Clock::now();
        if (mine) (void)co_await wait_for_exit(*mine);
        if (!network->live || network->dnsmasq != mine) co_return;
        if (Clock::now() - since > last) pause = first;
        log::error("network '{}': dnsmasq {}; it is run again in {} ms", network->name,
                   mine ? mine->poll().value_or(ExitStatus{}).text() : "does not run",
                   std::chrono::duration_cast<std::chrono::milliseconds>(pause).count());
        co_await sleep_until(Deadline::in(pause));
        pause = std::min<Clock::duration>(pause * 2, last);
        co_await revive_dnsmasq(network, mine);
        if (!network->live) co_return;
    }
}

Task<> Driver::revive_dnsmasq(NetworkPtr network, std::shared_ptr<Process> dead) {
    std::exception_ptr failure;
    try {
        const auto turn = co_await jobs_.enter("run dnsmasq again", Deadline::in(patience));
        if (!network->live || network->dnsmasq != dead) co_return;
        co_await run_dnsmasq(network, network->live);
        network->dnsmasq->release();
        co_await write_record(network, network->live, network->definition != nullptr);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("network '{}': {}", network->name, words_of(failure));
}

Task<> Driver::stop(NetworkPtr network) {
    const auto live = network->live;
    co_await take_down(network, live, live->has_own_bridge() ? Made::files : Made::nothing);
    std::erase_if(ports_, [&](const auto& port) { return port.second == network->name; });
    network->live.reset();
    log::info("network '{}' stopped", network->name);
}

} // namespace domus::network
