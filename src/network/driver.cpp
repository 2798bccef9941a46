#include "network/driver.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "network/firewall.hpp"
#include "network/links.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <csignal>

namespace domus::network {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 20s;
constexpr std::size_t largest_file = 4u << 20;

constexpr std::string_view default_network = "<network><name>default</name><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/></network>";

/// The record of a running network, for the next daemon.
struct Record {
    int pid = 0;
    std::uint64_t start_time = 0;
    bool persistent = true;
    model::Network network;
    bool operator==(const Record&) const = default;
    static const format::Schema& schema() {
        static const format::Schema table = format::Describe<Record>("networkstatus", "A running network, for the next daemon.")
                                                .field("@pid", &Record::pid)
                                                .field("@started", &Record::start_time)
                                                .field("@persistent", &Record::persistent)
                                                .field("network", &Record::network);
        return table;
    }
};

std::vector<Subnet> subnets_of(const model::Network& network) {
    std::vector<Subnet> all;
    for (const auto& ip : network.ips) {
        if (ip.family == model::AddressFamily::ipv6 || !ip.address) continue;
        const auto address = parse_address(*ip.address);
        if (!address)
            throw Error(ErrorCode::xml_error, ErrorDomain::network, fmt::format("'{}' is no IPv4 address", *ip.address));
        const auto prefix = ip.prefix ? *ip.prefix : ip.netmask ? prefix_of_netmask(*ip.netmask).value_or(33) : 24;
        if (prefix > 32) throw Error(ErrorCode::xml_error, ErrorDomain::network, fmt::format("the netmask of {} is none", *ip.address));
        all.push_back({*address, prefix});
    }
    return all;
}

std::string random_mac() {
    const auto random = Uuid::random();
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", random.bytes[0], random.bytes[1], random.bytes[2]);
}

Error no_network(const std::string& by, const std::string& what) {
    return Error(ErrorCode::no_network, ErrorDomain::network, fmt::format("Network not found: no network with matching {} '{}'", by, what))
        .hint("see 'domus net-list --all'");
}

Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::network, fmt::format("Requested operation is not valid: {}", what));
}

/// Names that go into the scripts of nft and dnsmasq must be names.
void require_plain(std::string_view what, const std::optional<std::string>& text, std::string_view also = "") {
    if (!text) return;
    for (const char c : *text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("_.-:").contains(c) || also.contains(c);
        if (!plain) throw Error(ErrorCode::xml_error, ErrorDomain::network, fmt::format("XML error: {} '{}' has the character '{}', which no such name has", what, *text, c));
    }
}

void require_plain_names(const model::Network& network) {
    require_plain("the bridge's name", network.bridge.name);
    if (network.forward) require_plain("the device", network.forward->dev);
    require_plain("the domain", network.domain_name);
    for (const auto& forwarder : network.dns.forwarders) {
        require_plain("the domain", forwarder.domain);
        require_plain("the address", forwarder.address, "#@");
    }
    for (const auto& record : network.dns.texts) {
        require_plain("the name", record.name);
        require_plain("the text", record.value, " =/+@(){}[]");
    }
    for (const auto& host : network.dns.hosts) {
        require_plain("the address", host.ip);
        for (const auto& name : host.names) require_plain("the name", name);
    }
    for (const auto& ip : network.ips) {
        for (const auto& range : ip.dhcp_ranges)
            for (const auto& end : {range.start, range.end}) require_plain("the address", end);
        for (const auto& host : ip.dhcp_hosts)
            for (const auto& part : {host.mac, host.id, host.ip, host.name}) require_plain("a DHCP host", part);
        for (const auto& path : {ip.tftp_root, ip.bootp_file, ip.bootp_server}) require_plain("the path", path, "/ ");
    }
}

/// What this version would ignore, it refuses.
void require_supported(const model::Network& network) {
    const auto refuse = [](std::string_view what, int line) {
        throw Error(ErrorCode::config_unsupported, ErrorDomain::network, fmt::format("unsupported configuration: line {}: this version does not honour {}", line, what));
    };
    for (const auto& ip : network.ips)
        if (ip.family == model::AddressFamily::ipv6) refuse("<ip family='ipv6'>", ip.rest.line);
    if (network.port_isolated.value_or(false)) refuse("<port isolated='yes'>", network.rest.line);
    for (const auto& group : network.portgroups)
        if (group.vlan) refuse("<vlan> of a portgroup", group.rest.line);
    for (const auto& ip : network.ips)
        for (const auto& range : ip.dhcp_ranges)
            if (range.lease) refuse("<lease> of a DHCP range", range.rest.line);
    if (network.vlan) refuse("<vlan> of a network", network.vlan->rest.line);
    if (network.bandwidth.inbound || network.bandwidth.outbound) refuse("<bandwidth> of a network", network.rest.line);
    if (!network.routes.empty()) refuse("<route>", network.routes.front().rest.line);
    if (!network.dns.services.empty()) refuse("<srv>", network.dns.services.front().rest.line);
    if (network.forward && (network.forward->nat_addresses || network.forward->nat_ports)) refuse("<nat>", network.forward->rest.line);
}

void allow_forwarding() {
    const char* file = "/proc/sys/net/ipv4/ip_forward";
    if (read_file(file, 16).starts_with('1')) return;
    const auto fd = open_file(file, O_WRONLY);
    write_all(fd.get(), "1\n", file);
}

} // namespace

struct Driver::Network {
    std::string name;
    Uuid uuid;
    bool autostart = false;
    std::shared_ptr<const model::Network> definition; ///< null: it is gone when it stops
    std::shared_ptr<const model::Network> live;       ///< null while it does not run
    Process dnsmasq;
};

Driver::Driver(Executor executor, Folders folders, std::function<void(const NetworkView&, NetworkEvent)> emit)
    : executor_(executor), folders_(std::move(folders)), emit_(std::move(emit)), lane_(executor, "virtual networks", 2),
      jobs_(executor, "the networks") {}

Driver::~Driver() = default;

NetworkView Driver::view(const Network& network) const {
    NetworkView view{network.name, network.uuid, network.live != nullptr, network.autostart, network.definition != nullptr, network.live, network.definition};
    if (!view.live) return view;
    auto live = std::make_shared<model::Network>(*view.live);
    unsigned connections = 0;
    for (const auto& [device, name] : ports_) connections += name == network.name ? 1 : 0;
    if (connections > 0) live->connections = connections;
    view.live = std::move(live);
    return view;
}

std::vector<NetworkView> Driver::list() const {
    std::vector<NetworkView> all;
    for (const auto& [name, network] : networks_) all.push_back(view(*network));
    return all;
}

Driver::NetworkPtr Driver::find_name(const std::string& name) const {
    const auto found = networks_.find(name);
    if (found == networks_.end()) throw no_network("name", name);
    return found->second;
}

Driver::NetworkPtr Driver::find(const Uuid& uuid, const std::string& name) const {
    for (const auto& [key, network] : networks_)
        if (network->uuid == uuid) return network;
    throw no_network("uuid", name.empty() ? uuid.text() : fmt::format("{}' ('{}", uuid.text(), name));
}

NetworkView Driver::get(const Uuid& uuid, const std::string& name) const { return view(*find(uuid, name)); }
NetworkView Driver::get_name(const std::string& name) const { return view(*find_name(name)); }

DnsmasqFiles Driver::files_of(const std::string& name) const {
    return {folders_.library / (name + ".conf"), folders_.library / (name + ".hostsfile"), folders_.library / (name + ".addnhosts"),
            folders_.library / (name + ".leases")};
}

std::string Driver::xml(const NetworkView& view, bool inactive) const {
    if (!inactive || !view.definition) return format::to_xml(view.current());
    return format::to_xml(*view.definition, {.live = false});
}

// ---- definitions ----------------------------------------------------------------------------------------------

/// Checks what a user wrote and fills what he left open.
void Driver::admit(model::Network& wanted) const {
    format::Findings findings;
    model::check(wanted, findings);
    format::throw_findings(findings, ErrorDomain::network, "<network>");
    require_plain_names(wanted);
    require_supported(wanted);
    if (!wanted.uuid) {
        const auto same = networks_.find(wanted.name);
        wanted.uuid = same == networks_.end() ? Uuid::random() : same->second->uuid;
    }
    for (const auto& [name, network] : networks_) {
        if (network->uuid == *wanted.uuid && name != wanted.name)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                        fmt::format("operation failed: network '{}' is already defined with uuid {}", name, wanted.uuid->text()));
        if (name == wanted.name && network->uuid != *wanted.uuid)
            throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                        fmt::format("operation failed: network '{}' already exists with uuid {}", name, network->uuid.text()));
    }
    if (!wanted.has_own_bridge()) return;
    if (!wanted.bridge.stp) wanted.bridge.stp = model::OnOff::on;
    if (!wanted.bridge.delay) wanted.bridge.delay = 0;
    if (!wanted.mac) wanted.mac = random_mac();
    if (wanted.forward && !wanted.forward->mode) wanted.forward->mode = model::ForwardMode::nat;
    for (unsigned i = 0; !wanted.bridge.name; ++i) {
        const auto candidate = fmt::format("virbr{}", i);
        bool taken = false;
        for (const auto& [name, network] : networks_) taken |= network->definition && network->definition->bridge.name == candidate;
        if (!taken) wanted.bridge.name = candidate;
    }
    (void)subnets_of(wanted);
}

Task<> Driver::save(NetworkPtr network) {
    auto work = [path = folders_.definitions / (network->name + ".xml"), xml = format::to_xml(*network->definition, {.live = false})] {
        write_file_durably(path, xml, 0600);
    };
    co_await lane_.run(Deadline::in(patience), std::move(work));
}

Task<NetworkView> Driver::define(std::string xml) {
    const auto turn = co_await jobs_.enter("define", Deadline::in(patience));
    auto wanted = std::make_shared<model::Network>(format::from_xml<model::Network>(xml, ErrorDomain::network));
    admit(*wanted);
    auto [place, fresh] = networks_.try_emplace(wanted->name);
    if (fresh) place->second = std::make_shared<Network>();
    const auto network = place->second;
    const auto before = network->definition;
    network->name = wanted->name;
    network->uuid = *wanted->uuid;
    network->definition = std::move(wanted);
    std::exception_ptr failure;
    try {
        co_await save(network);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        network->definition = before;
        if (fresh) networks_.erase(network->name);
        std::rethrow_exception(failure);
    }
    emit_(view(*network), NetworkEvent::defined);
    co_return view(*network);
}

Task<NetworkView> Driver::create(std::string xml) {
    const auto turn = co_await jobs_.enter("create", Deadline::in(patience));
    auto wanted = std::make_shared<model::Network>(format::from_xml<model::Network>(xml, ErrorDomain::network));
    admit(*wanted);
    if (networks_.contains(wanted->name)) throw invalid(fmt::format("network '{}' is defined already", wanted->name));
    auto network = std::make_shared<Network>();
    network->name = wanted->name;
    network->uuid = *wanted->uuid;
    network->definition = std::move(wanted);
    networks_.emplace(network->name, network);
    std::exception_ptr failure;
    try {
        co_await run(network);
    } catch (...) {
        failure = std::current_exception();
    }
    network->definition.reset();
    if (failure) {
        networks_.erase(network->name);
        std::rethrow_exception(failure);
    }
    co_return view(*network);
}

Task<> Driver::undefine(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("undefine", Deadline::in(patience));
    const auto network = find(uuid, name);
    if (!network->definition) throw invalid("can't undefine transient network");
    auto work = [definition = folders_.definitions / (network->name + ".xml"), link = folders_.autostart / (network->name + ".xml")] {
        std::error_code ignored;
        fs::remove(link, ignored);
        remove_durably(definition);
    };
    co_await lane_.run(Deadline::in(patience), std::move(work));
    const auto last = view(*network);
    network->definition.reset();
    network->autostart = false;
    if (!network->live) networks_.erase(network->name);
    emit_(last, NetworkEvent::undefined);
}

Task<> Driver::set_autostart(Uuid uuid, std::string name, bool on) {
    const auto turn = co_await jobs_.enter("autostart", Deadline::in(patience));
    const auto network = find(uuid, name);
    if (!network->definition) throw invalid("cannot set autostart for transient network");
    auto work = [definition = folders_.definitions / (network->name + ".xml"), link = folders_.autostart / (network->name + ".xml"), on] {
        std::error_code failure;
        if (on) fs::create_symlink(definition, link, failure);
        else fs::remove(link, failure);
        if (failure && failure != std::errc::file_exists)
            throw system_error(failure.value(), fmt::format("cannot change the link '{}'", link.string()), ErrorDomain::network);
    };
    co_await lane_.run(Deadline::in(patience), std::move(work));
    network->autostart = on;
}

// ---- running --------------------------------------------------------------------------------------------------

Task<> Driver::start(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("start", Deadline::in(patience));
    const auto network = find(uuid, name);
    if (network->live) throw invalid("network is already active");
    co_await run(network);
}

Task<> Driver::destroy(Uuid uuid, std::string name) {
    const auto turn = co_await jobs_.enter("destroy", Deadline::in(patience));
    const auto network = find(uuid, name);
    if (!network->live) throw invalid(fmt::format("network '{}' is not active", network->name));
    co_await stop(network);
    const auto last = view(*network);
    if (!network->definition) networks_.erase(network->name);
    emit_(last, NetworkEvent::stopped);
}

Task<> Driver::apply_rules(std::string script) {
    Command command("nft");
    command.arguments = {"-f", "-"};
    const auto output = co_await run_command(command, Deadline::in(patience), std::move(script));
    if (output.status.success()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::network, "the firewall's rules were refused").because(output.err).hint("see 'domus doctor'; nft is in the package nftables");
}

Task<> Driver::make_bridge(NetworkPtr network, std::shared_ptr<model::Network> live) {
    const bool choose = live->ips.empty() && network->name == "default";
    auto work = [live, choose] {
        if (choose) {
            const auto subnet = choose_subnet(subnets_in_use());
            auto& ip = live->ips.emplace_back();
            ip.address = address_text(subnet.address);
            ip.netmask = address_text(subnet.mask());
            ip.dhcp = true;
            auto& range = ip.dhcp_ranges.emplace_back();
            range.start = address_text(subnet.first() + 2);
            range.end = address_text(subnet.last() - 1);
        }
        const auto wanted = subnets_of(*live);
        for (const auto& used : subnets_in_use())
            for (const auto& mine : wanted)
                if (used.prefix > 0 && used.overlaps(mine))
                    throw Error(ErrorCode::internal_error, ErrorDomain::network,
                                fmt::format("internal error: Network is already in use by a route or address of this host: {} overlaps {}", mine.text(), used.text()))
                        .hint("see 'ip route', and choose another subnet with 'domus net-edit'");
        BridgeWish wish{*live->bridge.name, live->mac.value_or(random_mac()), live->bridge.stp != model::OnOff::off, live->bridge.delay.value_or(0), live->mtu};
        create_bridge(wish);
        try {
            for (const auto& subnet : wanted) add_address(wish.name, subnet);
            set_up(wish.name);
            if (live->mode() != model::ForwardMode::none) allow_forwarding();
        } catch (...) {
            delete_link(wish.name);
            throw;
        }
    };
    co_await lane_.run(Deadline::in(patience), std::move(work));
}

Task<> Driver::run_dnsmasq(NetworkPtr network, std::shared_ptr<model::Network> live) {
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
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, "dnsmasq refuses the network's configuration").because(output.err);
    Command command("dnsmasq");
    command.arguments = {"--keep-in-foreground", "--log-facility=-", fmt::format("--conf-file={}", files.configuration.string()), "--pid-file="};
    const auto log = folders_.library / (network->name + ".log");
    command.redirect(open_file(log, O_WRONLY | O_CREAT | O_TRUNC, 0640), 2);
    network->dnsmasq = Process::spawn(command);
    command.fds.clear();
    co_await sleep_until(Deadline::in(50ms));
    if (const auto ended = network->dnsmasq.poll())
        throw Error(ErrorCode::operation_failed, ErrorDomain::network, fmt::format("dnsmasq {}", ended->text())).because(read_file(log, largest_file));
}

Task<> Driver::run(NetworkPtr network) {
    auto live = std::make_shared<model::Network>(*network->definition);
    if (!live->has_own_bridge()) {
        network->live = std::move(live);
        emit_(view(*network), NetworkEvent::started);
        co_return;
    }
    std::string step = "making the bridge";
    bool bridge = false, rules = false;
    std::exception_ptr failure;
    try {
        co_await make_bridge(network, live);
        bridge = true;
        step = "setting the firewall's rules";
        co_await apply_rules(firewall_rules(*live, subnets_of(*live)));
        rules = true;
        step = "running dnsmasq";
        if (!live->ips.empty()) co_await run_dnsmasq(network, live);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        network->dnsmasq = Process();
        std::exception_ptr trouble;
        try {
            if (rules) co_await apply_rules(firewall_removal(*live));
        } catch (...) {
            trouble = std::current_exception();
        }
        auto remove = [name = *live->bridge.name] { delete_link(name); };
        if (bridge) co_await lane_.run(Deadline::in(patience), std::move(remove));
        try {
            std::rethrow_exception(failure);
        } catch (Error& error) {
            error.prefix(fmt::format("cannot start network '{}': {}", network->name, step));
            throw;
        }
    }
    network->dnsmasq.release();
    const bool chosen = live->ips != network->definition->ips;
    network->live = live;
    if (chosen) {
        // The subnet of the default network is chosen once, and is then its definition.
        network->definition = live;
        co_await save(network);
    }
    Record record{network->dnsmasq.pid(), network->dnsmasq.start_time(), true, *live};
    auto keep = [path = folders_.state / (network->name + ".xml"), xml = format::to_xml(record)] { replace_file(path, xml, 0600); };
    co_await lane_.run(Deadline::in(patience), std::move(keep));
    log::info("network '{}' runs on bridge '{}'", network->name, *live->bridge.name);
    emit_(view(*network), NetworkEvent::started);
}

/// It ends at once when it is told to; what does not is killed.
Task<> Driver::end_dnsmasq(NetworkPtr network) {
    const auto by = Deadline::in(2s);
    while (!network->dnsmasq.poll() && !by.expired()) co_await sleep_until(Deadline::in(2ms));
    network->dnsmasq.signal(SIGKILL);
}

Task<> Driver::stop(NetworkPtr network) {
    const auto live = network->live;
    if (live->has_own_bridge()) {
        if (network->dnsmasq.signal(SIGTERM)) co_await end_dnsmasq(network);
        network->dnsmasq = Process();
        co_await apply_rules(firewall_removal(*live));
        const auto files = files_of(network->name);
        auto work = [name = *live->bridge.name, files, record = folders_.state / (network->name + ".xml"), log = folders_.library / (network->name + ".log")] {
            delete_link(name);
            std::error_code ignored;
            for (const auto& file : {files.configuration, files.hosts, files.addresses, record, log}) fs::remove(file, ignored);
        };
        co_await lane_.run(Deadline::in(patience), std::move(work));
    }
    std::erase_if(ports_, [&](const auto& port) { return port.second == network->name; });
    network->live.reset();
    log::info("network '{}' stopped", network->name);
}

Task<std::vector<Lease>> Driver::leases(Uuid uuid, std::string name) {
    const auto network = find(uuid, name);
    auto work = [path = files_of(network->name).leases]() -> std::string {
        if (!fs::exists(path)) return {};
        return read_file(path, largest_file);
    };
    const auto text = co_await lane_.run(Deadline::in(patience), std::move(work));
    co_return parse_leases(text);
}

// ---- the daemon's start ---------------------------------------------------------------------------------------

Task<> Driver::load() {
    struct Loaded {
        std::vector<std::pair<model::Network, bool>> definitions;
        std::vector<std::pair<Record, bool>> records; ///< with: the bridge is still there
        bool had_default = false;
    };
    auto work = [folders = folders_] {
        Loaded loaded;
        for (const auto* folder : {&folders.definitions, &folders.autostart, &folders.state, &folders.library}) ensure_directory(*folder, 0755);
        for (const auto& entry : fs::directory_iterator(folders.definitions)) {
            if (entry.path().extension() != ".xml") continue;
            try {
                auto network = format::from_xml<model::Network>(read_file(entry.path(), largest_file), ErrorDomain::network);
                if (!network.uuid) network.uuid = Uuid::random();
                loaded.definitions.emplace_back(std::move(network), fs::is_symlink(folders.autostart / entry.path().filename()));
            } catch (const Error& error) {
                std::error_code ignored;
                fs::rename(entry.path(), entry.path().string() + ".broken", ignored);
                log::warning("set aside '{}': {}", entry.path().string(), error.message());
            }
        }
        for (const auto& entry : fs::directory_iterator(folders.state)) {
            if (entry.path().extension() != ".xml") continue;
            try {
                auto record = format::from_xml<Record>(read_file(entry.path(), largest_file), ErrorDomain::network);
                const bool there = link_exists(record.network.bridge.name.value_or(""));
                loaded.records.emplace_back(std::move(record), there);
            } catch (const Error& error) {
                log::warning("cannot read the record '{}': {}", entry.path().string(), error.message());
            }
        }
        loaded.had_default = fs::exists(folders.library / "default-was-made");
        return loaded;
    };
    auto loaded = co_await lane_.run(Deadline::never(), std::move(work));
    for (auto& [model, autostart] : loaded.definitions) {
        auto network = std::make_shared<Network>();
        network->name = model.name;
        network->uuid = *model.uuid;
        network->autostart = autostart;
        network->definition = std::make_shared<const model::Network>(std::move(model));
        networks_.emplace(network->name, network);
    }
    for (auto& [record, there] : loaded.records) {
        if (!there) continue;
        auto& network = networks_[record.network.name];
        if (!network) network = std::make_shared<Network>();
        network->name = record.network.name;
        network->uuid = record.network.uuid.value_or(Uuid::random());
        if (auto process = Process::adopt(record.pid, record.start_time)) network->dnsmasq = std::move(*process);
        else log::warning("network '{}': its dnsmasq has ended while the daemon was away", network->name);
        network->live = std::make_shared<const model::Network>(std::move(record.network));
    }
    if (!loaded.had_default) co_await define_default();
}

Task<> Driver::define_default() {
    if (!networks_.contains("default")) {
        const auto made = co_await define(std::string(default_network));
        co_await set_autostart(made.uuid, made.name, true);
    }
    auto work = [path = folders_.library / "default-was-made"] { write_file_durably(path, "", 0644); };
    co_await lane_.run(Deadline::in(patience), std::move(work));
}

Task<> Driver::autostart() {
    std::vector<NetworkPtr> chosen;
    for (const auto& [name, network] : networks_)
        if (network->autostart && !network->live) chosen.push_back(network);
    for (const auto& network : chosen) {
        std::string failure;
        try {
            co_await start(network->uuid, network->name);
        } catch (const std::exception& error) {
            failure = error.what();
        }
        if (!failure.empty()) log::error("cannot autostart network '{}': {}", network->name, failure);
    }
}

// ---- ports ----------------------------------------------------------------------------------------------------

Task<Port> Driver::attach(model::Interface interface, std::string domain) {
    Port port;
    port.id = Uuid::random();
    std::optional<unsigned> mtu = interface.mtu;
    std::string name;
    if (interface.type == model::InterfaceType::network) {
        name = interface.source.network.value_or("default");
        const auto turn = co_await jobs_.enter("start for " + domain, Deadline::in(patience));
        const auto network = find_name(name);
        if (!network->live) co_await run(network);
        port.bridge = network->live->bridge.name.value_or("");
        if (!mtu) mtu = network->live->mtu;
        if (port.bridge.empty())
            throw Error(ErrorCode::config_unsupported, ErrorDomain::network, fmt::format("this version does not attach domains to network '{}' without a bridge", name));
    } else {
        port.bridge = interface.source.bridge.value_or("");
    }
    const auto queues = std::max(1u, interface.driver.queues.value_or(1));
    const auto wanted = interface.target_dev.value_or("");
    auto work = [bridge = port.bridge, queues, mtu, wanted] {
        auto tap = open_tap(wanted, queues);
        if (mtu) set_mtu(tap.name, *mtu);
        enslave(tap.name, bridge);
        set_up(tap.name);
        return tap;
    };
    auto tap = co_await lane_.run(Deadline::in(patience), std::move(work));
    port.device = tap.name;
    port.taps = std::move(tap.queues);
    if (!name.empty()) ports_[port.device] = name;
    co_return port;
}

Task<> Driver::detach(std::string device) {
    ports_.erase(device);
    co_return;
}

void Driver::adopt(const model::Interface& interface) {
    if (interface.type == model::InterfaceType::network && interface.target_dev && interface.source.network)
        ports_[*interface.target_dev] = *interface.source.network;
}

} // namespace domus::network
