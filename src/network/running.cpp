#include "network/running.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/firewall.hpp"
#include "network/foreign.hpp"
#include "network/subnet.hpp"
#include "os/files.hpp"
#include "os/lock_holders.hpp"
#include "os/netlink/address.hpp"
#include "os/netlink/link.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>

namespace domus::network {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto exec_timeout = 2s; ///< from fork to exec
constexpr auto rules_margin = 2s; ///< nft's own timeout comes first, which says more than the lane's
constexpr std::size_t longest_complaint = 1u << 20;
constexpr auto between_looks = 3ms; ///< while dnsmasq starts, which takes it some 10 ms

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

/// The file that dnsmasq has as its standard error, locked: by that it is known again, whoever has started it.
UniqueFd open_log(const fs::path& path) {
    ::unlink(path.c_str());
    auto log = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (::flock(log.get(), LOCK_EX | LOCK_NB) < 0) throw path_error(errno, "cannot lock", path);
    return log;
}

/// The dnsmasq that writes to this log.
std::shared_ptr<Process> stray_dnsmasq(const fs::path& log) {
    struct stat file{};
    if (::stat(log.c_str(), &file) < 0) return nullptr;
    auto found = lock_holding_processes(file, LockKind::flock, exec_timeout);
    return found.empty() ? nullptr : std::make_shared<Process>(std::move(found.front()));
}

void make_bridge_of(model::Network& live, const std::string& alias, bool choose) {
    if (choose) {
        const auto subnet = choose_subnet(subnets_in_use());
        auto& ip = live.ips.emplace_back();
        ip.address = subnet.address.text();
        ip.netmask = subnet.mask().text();
        ip.dhcp = true;
        auto& range = ip.dhcp_ranges.emplace_back();
        range.start = subnet.first().plus(2).text();
        range.end = subnet.last().before().text();
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
    const auto wish = bridge_wish(live, alias);
    netlink::create_bridge(wish);
    try {
        for (const auto& subnet : wanted) netlink::add_address(wish.name, subnet);
        netlink::set_up(wish.name);
        if (live.mode() != model::ForwardMode::none) allow_forwarding();
    } catch (...) {
        netlink::delete_link(wish.name);
        throw;
    }
}

} // namespace

std::string random_mac() {
    const auto random = Uuid::random();
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", random.bytes[0], random.bytes[1], random.bytes[2]);
}

netlink::NewBridge bridge_wish(const model::Network& live, std::string alias) {
    return {*live.bridge.name,
            live.mac.value_or(random_mac()),
            live.bridge.stp != model::OnOff::off,
            live.bridge.delay.value_or(0),
            live.mtu,
            std::move(alias)};
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
    auto work = [script = std::move(script)] { nft::apply_script(script, timeout); };
    co_await lane_.run(Deadline::in(timeout + rules_margin), std::move(work));
}

Task<nft::Ruleset> Driver::list_rules() {
    auto work = [] { return nft::list_ruleset(timeout); };
    auto ruleset = co_await lane_.run(Deadline::in(timeout + rules_margin), std::move(work));
    co_return ruleset;
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

/// Until dnsmasq has read all its files, has its sockets and has given up its rights, and so cannot fail to start any more:
/// then it says in its log that it is started. Throws what it says instead.
Task<> Driver::wait_until_ready(Process& process, fs::path log) {
    constexpr std::string_view started =
        ": started, version "; // main() of dnsmasq.c, after "dnsmasq[PID]"; its locale is C
    const auto by = Deadline::in(timeout);
    auto read = [log] { return read_file(log, longest_complaint); };
    for (;;) {
        const auto ended = process.poll(); // before the log is read: then that is whole
        const auto said = co_await lane_.run(by, read);
        if (ended)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network, fmt::format("dnsmasq {}", ended->text()))
                .because(said);
        if (said.contains(started)) co_return;
        if (by.expired())
            throw Error(ErrorCode::operation_timeout, ErrorDomain::network,
                        fmt::format("dnsmasq is not ready after {} s", timeout.count()))
                .because(said)
                .hint("look whether the host is overloaded, and start the network again");
        co_await sleep_until(Deadline::in(between_looks));
    }
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
    co_await lane_.run(Deadline::in(timeout), std::move(work));
    // --test first: what it refuses, it says in words; a daemon's complaint would only be in the system's log.
    Command test("dnsmasq");
    test.arguments = {"--test", fmt::format("--conf-file={}", files.configuration.string())};
    const auto output = co_await run_command(test, Deadline::in(timeout));
    if (!output.status.success())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "dnsmasq refuses the network's configuration")
            .because(output.err);
    Command command("dnsmasq");
    command.arguments = {"--keep-in-foreground", "--log-facility=-",
                         fmt::format("--conf-file={}", files.configuration.string()),
                         fmt::format("--pid-file={}", pid_file_of(network->name).string())};
    const auto log = log_of(network->name);
    command.redirect(open_log(log), 2);
    auto started = co_await spawn_process(std::move(command), Deadline::in(timeout));
    const auto process = std::make_shared<Process>(std::move(started));
    co_await wait_until_ready(*process, log);
    network->dnsmasq = process;
}

Task<> Driver::write_record(NetworkPtr network, std::shared_ptr<const model::Network> live, bool kept,
                            bool unfinished) {
    Record record;
    record.unfinished = unfinished;
    if (network->dnsmasq) {
        record.pid = network->dnsmasq->pid();
        record.start_time = network->dnsmasq->start_time();
    }
    record.persistent = kept;
    record.network = *live;
    auto work = [folder = folders_.state, name = network->name, xml = format::to_xml(record)] {
        StoredFolder(folder, largest_record).replace(name, xml);
    };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Driver::build(Start& start) {
    const auto& live = start.live;
    start.step = "checking its definition"; // which may have been written by hand
    co_await admit(live);
    const bool choose = live->has_own_bridge() && live->ips.empty() && live->name == "default";
    start.step = "writing its record"; // first, so that a daemon which is killed now leaves nothing that nobody knows
    co_await write_record(start.network, live, start.kept, true);
    start.step = "removing what is left of an earlier run";
    const auto ports = co_await clear_leftovers(start.network, live);
    if (live->has_own_bridge()) {
        start.step = "making the bridge";
        auto work = [live, choose, alias = alias_of(folders_, live->name)] { make_bridge_of(*live, alias, choose); };
        co_await lane_.run(Deadline::in(timeout), std::move(work));
        start.made = Made::bridge;
        start.step = "setting the firewall's rules";
        co_await apply_rules(firewall_rules(*live, subnets_of(*live)));
        start.made = Made::rules;
        if (live->mode() != model::ForwardMode::open) co_await open_foreign_chains(*live->bridge.name);
        start.step = "running dnsmasq";
        start.made = Made::files;
        if (!live->ips.empty()) co_await run_dnsmasq(start.network, live);
    }
    if (!ports.empty()) {
        start.step = "attaching guests that run";
        auto work = [ports, bridge = *live->bridge.name] {
            for (const auto& port : ports) netlink::set_master(port, bridge);
        };
        co_await lane_.run(Deadline::in(timeout), std::move(work));
    }
    // The subnet of the default network is chosen once, and is then its definition.
    start.step = "keeping the subnet that was chosen";
    if (choose && start.kept) co_await save(live);
    start.step = "writing its record";
    co_await write_record(start.network, live, start.kept, false);
    if (choose && start.kept) start.network->definition = live;
}

/// What a daemon that was killed, or whose record is lost, has left of this network; rules are replaced anyway. Returns
/// the ports of the bridge: guests may still run on it.
Task<std::vector<std::string>> Driver::clear_leftovers(NetworkPtr network, std::shared_ptr<const model::Network> live) {
    std::vector<std::string> none;
    if (!live->has_own_bridge()) co_return none;
    co_await end_dnsmasq(network);
    auto work = [wish = bridge_of(folders_, *live)] {
        std::vector<std::string> ports;
        if (!is_bridge_of(wish)) return ports;
        ports = bridge_ports(wish.name);
        netlink::delete_link(wish.name);
        return ports;
    };
    auto ports = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return ports;
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

Task<std::shared_ptr<Process>> Driver::find_dnsmasq(std::string name) {
    auto work = [log = log_of(name)] { return stray_dnsmasq(log); };
    auto found = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return found;
}

/// It ends at once when it is told to; what does not is killed. One that is not known ends too: it was started by a
/// daemon that died before it had written its record.
Task<> Driver::end_dnsmasq(NetworkPtr network) {
    auto process = std::exchange(network->dnsmasq, nullptr);
    if (!process) process = co_await find_dnsmasq(network->name);
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
    const auto files = files_of(network->name);
    std::vector<fs::path> made_files{pid_file_of(network->name)};
    if (made >= Made::files)
        for (const auto& file : {files.configuration, files.hosts, files.addresses, log_of(network->name)})
            made_files.push_back(file);
    if (!trouble) made_files.push_back(record_of(network->name)); // last; what stays is tried again by the next daemon
    auto work = [bridge = bridge_of(folders_, *live), bridged = made >= Made::bridge, made_files] {
        if (bridged && is_bridge_of(bridge)) netlink::delete_link(bridge.name);
        std::error_code ignored;
        for (const auto& file : made_files) fs::remove(file, ignored);
    };
    trouble = nullptr;
    try {
        co_await lane_.run(Deadline::in(timeout), std::move(work));
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
        const auto turn = co_await jobs_.enter("run dnsmasq again", Deadline::in(timeout));
        if (!network->live || network->dnsmasq != dead) co_return;
        co_await run_dnsmasq(network, network->live);
        network->dnsmasq->release();
        co_await write_record(network, network->live, network->definition != nullptr, false);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("network '{}': {}", network->name, words_of(failure));
}

Task<> Driver::stop(NetworkPtr network) {
    const auto live = network->live;
    std::exception_ptr trouble;
    try {
        co_await write_record(network, live, network->definition != nullptr, true);
    } catch (...) {
        trouble = std::current_exception(); // a full disk keeps nobody from stopping it
    }
    if (trouble) log::warning("network '{}': {}", network->name, words_of(trouble));
    co_await take_down(network, live, live->has_own_bridge() ? Made::files : Made::nothing);
    std::erase_if(ports_, [&](const auto& port) { return port.second == network->name; });
    network->live.reset();
    log::info("network '{}' stopped", network->name);
}

} // namespace domus::network
