#include "host/interfaces.hpp"

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "host/backends/backend.hpp"
#include "host/change_record.hpp"
#include "host/live_interface.hpp"
#include "host/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host {

using namespace std::chrono_literals;
using model::HostInterface;
using model::HostInterfaceType;

namespace {

constexpr auto queue_timeout = 30s, work_timeout = 60s, reload_timeout = 30s;

Error failed(std::string text) { return Error(ErrorCode::operation_failed, ErrorDomain::interface, std::move(text)); }

Error not_valid(std::string_view text) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::interface,
                 fmt::format("Requested operation is not valid: {}", text));
}

Error no_interface(const std::string& name) {
    return Error(ErrorCode::no_interface, ErrorDomain::interface,
                 fmt::format("Interface not found: couldn't find interface named '{}'", name))
        .hint("see 'domus iface-list --all'");
}

/// In the words of libvirt's driver.
Error transaction(std::string_view verb, std::string_view why) {
    return Error(ErrorCode::internal_error, ErrorDomain::interface,
                 fmt::format("internal error: failed to {} transaction: {}", verb, why));
}

// ---- in the lane ----------------------------------------------------------------------------------------------------

/// Where the work is done; shared with it, since it may be abandoned.
struct Site {
    explicit Site(const InterfaceSettings& settings)
        : store(settings.folder, settings.root), root(settings.root), on_step(settings.on_step) {}

    ChangeStore store;
    std::filesystem::path root;
    OnStep on_step;
};
using SitePtr = std::shared_ptr<const Site>;

/// Everything that is known of interfaces at one moment.
struct Look {
    explicit Look(const Site& site) : files(site.root), links(read_links()), backend(find_backend(files)) {
        if (backend) defined = backend->read(files);
    }

    const HostInterface* definition(const std::string& name) const {
        const auto found = std::ranges::find(defined, name, &HostInterface::name);
        return found == defined.end() ? nullptr : &*found;
    }
    const netlink::Link* link(const std::string& name) const {
        const auto found = std::ranges::find(links, name, &netlink::Link::name);
        return found == links.end() ? nullptr : &*found;
    }
    void require(const std::string& name) const {
        if (!definition(name) && !link(name)) throw no_interface(name);
    }
    /// As it is configured, or would be to be as it is. It must exist.
    HostInterface wanted(const std::string& name) const {
        const auto* known = definition(name);
        return known ? *known : definition_of(*link(name), links);
    }
    const Backend& system() const {
        if (backend) return *backend;
        if (uses_netplan(files))
            throw Error(
                ErrorCode::operation_unsupported, ErrorDomain::interface,
                "Operation not supported: this host configures its network by netplan, whose files are not written yet")
                .hint("change /etc/netplan/*.yaml and try it with 'netplan try'");
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::interface,
                    "Operation not supported: this host configures its network by no system that is known here")
            .hint("known are ifupdown, systemd-networkd and NetworkManager");
    }

    FilePlan files;
    std::vector<netlink::Link> links;
    const Backend* backend;
    std::vector<HostInterface> defined;
};

struct Prepared {
    Prepared(std::string of, const Look& look) : what(std::move(of)), files(look.files), backend(look.backend) {}

    std::string what;
    FilePlan files;
    DevicePlan devices;
    const Backend* backend;
};

/// Nothing else is changed before it is known what becomes of the last one.
void require_settled(const Site& site) {
    const auto record = site.store.load();
    if (record && record->kind != ChangeKind::begun)
        throw not_valid(fmt::format("'{}' waits to be confirmed", record->what))
            .hint("'domus iface-commit' keeps it, 'domus iface-rollback' takes it back");
}

Prepared prepare(std::string what, const Look& look) {
    Prepared prepared(std::move(what), look);
    prepared.backend = &look.system();
    return prepared;
}

/// False where something stays changed.
bool undo(const Site& site, const Prepared& work) {
    FilePlan back(site.root);
    for (const auto& [path, change] : work.files.changes())
        if (change.before)
            back.write(path, *change.before, change.mode);
        else
            back.remove(path);
    bool whole = true;
    try {
        site.store.write(back, {});
    } catch (const std::exception& error) {
        log::error("{}: cannot put the configuration back: {}", work.what, error.what());
        whole = false;
    }
    try {
        apply_all(work.devices.before(), {});
    } catch (const std::exception& error) {
        log::error("{}: cannot put the devices back: {}", work.what, error.what());
        whole = false;
    }
    return whole;
}

/// Of what is kept. The addresses are there already, so that a client that is missing is no failure of the change.
void move_leases(const Site& site, const Backend* backend, const std::vector<LeaseMove>& leases) {
    if (!backend || !backend->reload().empty()) return; // its own daemon is the client
    for (const auto& lease : leases) {
        try {
            move_lease(site.root, lease);
        } catch (const std::exception& error) {
            log::warning("nobody renews the address of '{}': {}", lease.to, error.what());
        }
    }
}

/// Whether it waits to be confirmed now. Inside of a change that was begun it is a part of that.
bool perform(const Site& site, const Prepared& work, ChangeKind kind) {
    auto record = site.store.load();
    const bool inside = record.has_value();
    if (!record) {
        record.emplace().kind = kind;
        record->what = work.what;
        record->boot = this_boot();
    }
    record->busy = true;
    site.store.extend(*record, work.files, work.devices.before());
    std::exception_ptr failure;
    bool settled = true;
    try {
        site.store.write(work.files, site.on_step);
        host::apply(work.devices.after(), site.on_step);
        if (site.on_step) site.on_step("end");
    } catch (...) {
        failure = std::current_exception();
        settled = undo(site, work);
    }
    record->busy = !settled; // then iface-rollback, or the next start, tries again
    if (!failure) record->leases.insert(record->leases.end(), work.devices.leases.begin(), work.devices.leases.end());
    if (inside || !settled || (kind == ChangeKind::timed && !failure))
        site.store.save(*record);
    else
        site.store.forget();
    if (failure) std::rethrow_exception(failure);
    if (!inside && kind == ChangeKind::step) move_leases(site, work.backend, record->leases);
    return kind == ChangeKind::timed && !inside;
}

/// Takes the open change back, whatever it is.
void take_back(const Site& site, const ChangeRecord& record) {
    site.store.put_back(record, site.on_step);
    site.store.forget();
}

void recover(const Site& site) {
    const auto record = site.store.load();
    if (!record) return;
    if (record->kind == ChangeKind::begun && !record->busy && record->boot == this_boot()) {
        log::info(
            "a change of interfaces is open: 'domus iface-commit' keeps it, 'domus iface-rollback' takes it back");
        return;
    }
    log::warning("'{}' was cut off or not confirmed: the interfaces become as they were before", record->what);
    take_back(site, *record);
}

InterfaceView to_view(const HostInterface& definition) {
    InterfaceView view;
    view.name = definition.name;
    view.mac = definition.mac.value_or("");
    if (definition.type != HostInterfaceType::ethernet) view.kind = format::word(definition.type);
    view.state = "notpresent";
    view.mtu = definition.mtu.value_or(0);
    view.defined = true;
    return view;
}

std::vector<InterfaceView> views(const Site& site) {
    const Look look(site);
    std::vector<InterfaceView> all;
    for (const auto& link : look.links) all.push_back({link, look.definition(link.name) != nullptr});
    for (const auto& definition : look.defined)
        if (!look.link(definition.name)) all.push_back(to_view(definition));
    std::ranges::sort(all, {}, &InterfaceView::name);
    return all;
}

std::string describe_interface(const Site& site, const std::string& name, bool inactive) {
    const Look look(site);
    look.require(name);
    const auto* definition = look.definition(name);
    const auto* link = look.link(name);
    if (inactive || !link) return format::to_xml(look.wanted(name));
    auto live = live_interface(*link, look.links);
    if (definition) live.start = definition->start;
    return format::to_xml(live);
}

void require_valid(const HostInterface& interface) {
    format::Findings findings;
    check(interface, findings);
    format::throw_findings(findings, ErrorDomain::interface, "<interface>");
}

Prepared prepare_bridge(const Site& site, const Interfaces::Bridging& wanted, bool start) {
    const Look look(site);
    look.require(wanted.interface);
    const auto* link = look.link(wanted.interface);
    if (look.link(wanted.bridge) || look.definition(wanted.bridge))
        throw failed(fmt::format("Network device {} already exists", wanted.bridge));
    auto port = look.wanted(wanted.interface);
    if (port.type == HostInterfaceType::bridge || (link && link->loopback))
        throw failed(fmt::format("the interface '{}' cannot be in a bridge", wanted.interface));
    HostInterface bridge;
    bridge.type = HostInterfaceType::bridge;
    bridge.name = wanted.bridge;
    bridge.start = look.definition(wanted.interface) ? port.start : model::StartMode::onboot;
    bridge.protocols = std::move(port.protocols);
    bridge.mtu = port.mtu;
    if (link) bridge.mac = link->mac; // with which DHCP servers know the host
    auto& options = bridge.bridge.emplace();
    options.stp = wanted.stp ? format::OnOff::on : format::OnOff::off;
    options.delay = std::to_string(wanted.delay_s);
    options.ports.push_back(to_port(port));
    require_valid(bridge);
    auto prepared = prepare(fmt::format("iface-bridge {} {}", wanted.interface, wanted.bridge), look);
    prepared.backend->define(prepared.files, bridge);
    if (link) prepared.backend->keep_client_id(prepared.files, link->index, bridge.name);
    if (start) plan_start(prepared.devices, bridge);
    return prepared;
}

/// The only port of a bridge, by its definition or else by what is.
model::BridgePort only_port(const HostInterface& bridge, const std::string& interface) {
    if (!bridge.bridge) throw failed(fmt::format("Interface {} is not a bridge", bridge.name));
    const auto& ports = bridge.bridge->ports;
    if (ports.empty()) throw failed(fmt::format("No interface attached to bridge {}", bridge.name));
    if (ports.size() > 1) throw failed(fmt::format("Multiple interfaces attached to bridge {}", bridge.name));
    if (!interface.empty() && ports.front().name != interface)
        throw failed(fmt::format("Interface {} is not attached to bridge {}", interface, bridge.name));
    return ports.front();
}

Prepared prepare_unbridge(const Site& site, const std::string& name, const std::string& interface, bool start) {
    const Look look(site);
    look.require(name);
    const auto bridge = look.wanted(name);
    auto port = from_port(only_port(bridge, interface));
    port.start = bridge.start;
    port.protocols = bridge.protocols;
    port.mtu = bridge.mtu;
    auto prepared = prepare(fmt::format("iface-unbridge {}", name), look);
    prepared.backend->define(prepared.files, port);
    prepared.backend->carry_options(prepared.files, name, port.name);
    prepared.backend->undefine(prepared.files, name);
    if (start && look.link(name)) plan_unbridge(prepared.devices, name, port.name);
    return prepared;
}

std::string vlan_name(const Interfaces::VlanBridge& wanted) { return fmt::format("{}.{}", wanted.parent, wanted.tag); }

std::string bridge_name(const Interfaces::VlanBridge& wanted) {
    return wanted.bridge.empty() ? fmt::format("brvlan{}", wanted.tag) : wanted.bridge;
}

Prepared prepare_vlan(const Site& site, const Interfaces::VlanBridge& wanted, bool start) {
    const Look look(site);
    look.require(wanted.parent);
    const auto vlan = vlan_name(wanted), name = bridge_name(wanted);
    for (const auto& each : {vlan, name})
        if (look.link(each) || look.definition(each))
            throw failed(fmt::format("Network device {} already exists", each));
    HostInterface bridge;
    bridge.type = HostInterfaceType::bridge;
    bridge.name = name;
    bridge.start = model::StartMode::onboot;
    auto& options = bridge.bridge.emplace();
    options.stp = format::OnOff::off;
    options.delay = "0";
    auto& port = options.ports.emplace_back();
    port.type = HostInterfaceType::vlan;
    port.name = vlan;
    auto& tagged = port.vlan.emplace();
    tagged.tag = wanted.tag;
    tagged.parent = wanted.parent;
    require_valid(bridge);
    auto prepared = prepare(fmt::format("net-vlan {} --on {}", wanted.tag, wanted.parent), look);
    prepared.backend->define(prepared.files, bridge);
    if (start) plan_start(prepared.devices, bridge);
    return prepared;
}

Prepared prepare_vlan_removal(const Site& site, const Interfaces::VlanBridge& wanted) {
    const Look look(site);
    const auto vlan = vlan_name(wanted), bridge = bridge_name(wanted);
    for (const auto& each : {vlan, bridge}) look.require(each);
    auto prepared = prepare(fmt::format("net-vlan {} --on {} --remove", wanted.tag, wanted.parent), look);
    for (const auto& each : {bridge, vlan}) prepared.backend->undefine(prepared.files, each);
    for (const auto& member : prepared.devices.members(bridge))
        if (member != vlan)
            throw failed(fmt::format("the bridge '{}' has another port, '{}'", bridge, member))
                .hint("stop the guests that use it, or take the device out first");
    for (const auto& each : {bridge, vlan})
        if (look.link(each)) plan_stop(prepared.devices, each);
    return prepared;
}

Prepared prepare_definition(const Site& site, const HostInterface& interface) {
    const Look look(site);
    const auto* link = look.link(interface.name);
    if (link && link->loopback) throw failed(fmt::format("the loopback '{}' is not configured here", interface.name));
    auto prepared = prepare(fmt::format("iface-define {}", interface.name), look);
    prepared.backend->define(prepared.files, interface);
    return prepared;
}

Prepared prepare_removal(const Site& site, const std::string& name) {
    const Look look(site);
    look.require(name);
    if (!look.definition(name)) throw not_valid(fmt::format("the interface '{}' is not defined", name));
    auto prepared = prepare(fmt::format("iface-undefine {}", name), look);
    prepared.backend->undefine(prepared.files, name);
    return prepared;
}

Prepared prepare_start(const Site& site, const std::string& name) {
    const Look look(site);
    look.require(name);
    if (const auto* link = look.link(name); link && link->up) throw not_valid("interface is already running");
    Prepared prepared(fmt::format("iface-start {}", name), look);
    plan_start(prepared.devices, look.wanted(name));
    return prepared;
}

Prepared prepare_stop(const Site& site, const std::string& name) {
    const Look look(site);
    look.require(name);
    if (const auto* link = look.link(name); !link || !link->up) throw not_valid("interface is not running");
    Prepared prepared(fmt::format("iface-destroy {}", name), look);
    plan_stop(prepared.devices, name);
    return prepared;
}

} // namespace

// ---- on the loop ----------------------------------------------------------------------------------------------------

struct Interfaces::State {
    State(Executor of, InterfaceSettings with)
        : executor(of), settings(std::move(with)), site(std::make_shared<const Site>(settings)),
          lane(of, "the host's network interfaces", 2),
          jobs(of, "the host's interfaces", "wait, or look why the disk of the host's configuration does not answer") {}

    Executor executor;
    InterfaceSettings settings;
    SitePtr site;
    Lane lane;
    Mailbox jobs;
    struct Pending {
        std::uint64_t connection, number;
    };
    std::optional<Pending> pending; ///< a change that waits to be confirmed
    std::uint64_t last_number = 0;

    template <class Job> Task<std::invoke_result_t<Job, const Site&>> run(Job job) {
        auto task = lane.run(Deadline::in(work_timeout), [site = site, job = std::move(job)] { return job(*site); });
        if constexpr (std::is_void_v<std::invoke_result_t<Job, const Site&>>) {
            co_await std::move(task);
        } else {
            auto result = co_await std::move(task);
            co_return result;
        }
    }

    void require_rights(std::string_view function) const {
        if (settings.may_change) return;
        throw Error(ErrorCode::no_support, ErrorDomain::interface,
                    fmt::format("this function is not supported by the connection driver: {}", function))
            .hint("this daemon runs without privileges; interfaces are the system's daemon's: qemu:///system");
    }

    Task<> reload(const Backend* backend);
    Task<> take_back_pending(std::string why);
    static Task<> expire(std::shared_ptr<State> state, std::uint64_t number, Deadline at, std::string why);
};

/// Tells a system that runs beside us of its new files.
Task<> Interfaces::State::reload(const Backend* backend) {
    if (!backend || settings.root != "/") co_return;
    const auto words = backend->reload();
    if (words.empty() || find_program(words.front()).empty()) co_return;
    Command command(words.front());
    command.arguments.assign(words.begin() + 1, words.end());
    std::exception_ptr failure;
    try {
        const auto output = co_await run_command(command, Deadline::in(reload_timeout));
        if (!output.status.success()) log::warning("'{}' {}: {}", command.text(), output.status.text(), output.err);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("{}", domus::describe(failure));
}

Task<> Interfaces::State::take_back_pending(std::string why) {
    pending.reset();
    auto task = run([](const Site& at) {
        const auto record = at.store.load();
        if (record) take_back(at, *record);
        return record ? record->what : std::string();
    });
    const auto what = co_await std::move(task);
    log::warning("'{}' is taken back: {}", what, why);
    auto look = run([](const Site& at) { return find_backend(FilePlan(at.root)); });
    const auto* backend = co_await std::move(look);
    auto told = reload(backend);
    co_await std::move(told);
}

Task<> Interfaces::State::expire(std::shared_ptr<State> state, std::uint64_t number, Deadline at, std::string why) {
    co_await sleep_until(at);
    const auto turn = co_await state->jobs.enter("take back", Deadline::never());
    if (!state->pending || state->pending->number != number) co_return; // it was confirmed, or is taken back already
    auto task = state->take_back_pending(std::move(why));
    co_await std::move(task);
}

Interfaces::Interfaces(Executor executor, InterfaceSettings settings)
    : state_(std::make_shared<State>(executor, std::move(settings))) {}

Task<> Interfaces::load() {
    if (!state_->settings.may_change) co_return;
    std::exception_ptr failure;
    try {
        auto task = state_->run(recover);
        co_await std::move(task);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("cannot take back a change of interfaces: {}", domus::describe(failure));
}

Task<std::vector<InterfaceView>> Interfaces::list() {
    auto task = state_->run(views);
    auto all = co_await std::move(task);
    co_return all;
}

Task<InterfaceView> Interfaces::get(std::string name) {
    auto task = list();
    const auto all = co_await std::move(task);
    const auto found = std::ranges::find(all, name, &InterfaceView::name);
    if (found == all.end()) throw no_interface(name);
    co_return *found;
}

Task<std::string> Interfaces::xml(std::string name, bool inactive) {
    auto task = state_->run([name, inactive](const Site& site) { return describe_interface(site, name, inactive); });
    auto text = co_await std::move(task);
    co_return text;
}

namespace {

/// Makes a change of one step.
template <class State, class Prepare> Task<> change(State state, std::string function, Prepare prepare) {
    state->require_rights(function);
    const auto turn = co_await state->jobs.enter(function, Deadline::in(queue_timeout));
    auto task = state->run([prepare](const Site& site) {
        require_settled(site);
        const auto prepared = prepare(site);
        perform(site, prepared, ChangeKind::step);
        return prepared.files.changes().empty() ? nullptr : prepared.backend;
    });
    const auto* changed = co_await std::move(task);
    auto told = state->reload(changed);
    co_await std::move(told);
}

struct Done {
    std::string text;
    const Backend* backend = nullptr;
    bool waits = false;
};

/// Makes one that may have to be confirmed.
template <class State, class Prepare>
Task<std::string> change_as_one(State state, std::string function, ChangeOptions options, Prepare prepare) {
    state->require_rights(function);
    const auto turn = co_await state->jobs.enter(function, Deadline::in(queue_timeout));
    auto task = state->run([prepare, options](const Site& site) {
        require_settled(site);
        const auto prepared = prepare(site);
        Done done{prepared.files.text(), prepared.backend, false};
        if (options.dry_run) return done;
        const bool timed = options.start && options.timeout > 0s;
        done.waits = perform(site, prepared, timed ? ChangeKind::timed : ChangeKind::step);
        return done;
    });
    auto done = co_await std::move(task);
    if (options.dry_run) co_return std::move(done.text);
    if (!done.waits) {
        auto told = state->reload(done.backend);
        co_await std::move(told);
        co_return std::move(done.text);
    }
    const auto number = ++state->last_number;
    state->pending = {options.connection, number};
    spawn(state->executor,
          State::element_type::expire(state, number, Deadline::in(options.timeout),
                                      fmt::format("it was not confirmed within {} s", options.timeout.count())),
          "the end of a change of interfaces");
    co_return std::move(done.text);
}

} // namespace

Task<InterfaceView> Interfaces::define(std::string xml, bool validate) {
    state_->require_rights("virInterfaceDefineXML");
    auto interface = model::read_host_interface(xml, validate);
    auto name = interface.name;
    auto task = change(state_, "virInterfaceDefineXML", [interface = std::move(interface)](const Site& site) {
        return prepare_definition(site, interface);
    });
    co_await std::move(task);
    auto look = get(name);
    auto view = co_await std::move(look);
    co_return view;
}

Task<> Interfaces::undefine(std::string name) {
    return change(state_, "virInterfaceUndefine", [name](const Site& site) { return prepare_removal(site, name); });
}

Task<> Interfaces::start(std::string name) {
    return change(state_, "virInterfaceCreate", [name](const Site& site) { return prepare_start(site, name); });
}

Task<> Interfaces::destroy(std::string name) {
    return change(state_, "virInterfaceDestroy", [name](const Site& site) { return prepare_stop(site, name); });
}

Task<> Interfaces::begin() {
    state_->require_rights("virInterfaceChangeBegin");
    const auto turn = co_await state_->jobs.enter("begin", Deadline::in(queue_timeout));
    auto task = state_->run([](const Site& site) {
        if (site.store.load()) throw transaction("begin", "there is an open one already");
        ChangeRecord record;
        record.kind = ChangeKind::begun;
        record.busy = false;
        record.what = "iface-begin";
        record.boot = this_boot();
        site.store.save(record);
    });
    co_await std::move(task);
}

Task<> Interfaces::commit() {
    state_->require_rights("virInterfaceChangeCommit");
    const auto turn = co_await state_->jobs.enter("commit", Deadline::in(queue_timeout));
    auto task = state_->run([](const Site& site) {
        const auto record = site.store.load();
        if (!record) throw transaction("commit", "none is open");
        site.store.forget();
        const auto* backend = find_backend(FilePlan(site.root));
        move_leases(site, backend, record->leases);
        return backend;
    });
    const auto* backend = co_await std::move(task);
    state_->pending.reset();
    auto told = state_->reload(backend);
    co_await std::move(told);
}

Task<> Interfaces::rollback() {
    state_->require_rights("virInterfaceChangeRollback");
    const auto turn = co_await state_->jobs.enter("rollback", Deadline::in(queue_timeout));
    auto look = state_->run([](const Site& site) { return site.store.load().has_value(); });
    const bool open = co_await std::move(look);
    if (!open) throw transaction("rollback", "none is open");
    auto task = state_->take_back_pending("somebody asked for it");
    co_await std::move(task);
}

Task<std::string> Interfaces::open_change() {
    auto task = state_->run([](const Site& site) {
        const auto record = site.store.load();
        return record ? record->what : std::string();
    });
    auto what = co_await std::move(task);
    co_return what;
}

Task<std::string> Interfaces::bridge(Bridging wanted, ChangeOptions options) {
    return change_as_one(state_, "interface.bridge", options,
                         [wanted, options](const Site& site) { return prepare_bridge(site, wanted, options.start); });
}

Task<std::string> Interfaces::unbridge(std::string bridge, std::string interface, ChangeOptions options) {
    return change_as_one(state_, "interface.unbridge", options, [bridge, interface, options](const Site& site) {
        return prepare_unbridge(site, bridge, interface, options.start);
    });
}

Task<std::string> Interfaces::add_vlan(VlanBridge wanted, ChangeOptions options) {
    return change_as_one(state_, "interface.add_vlan", options,
                         [wanted, options](const Site& site) { return prepare_vlan(site, wanted, options.start); });
}

Task<std::string> Interfaces::remove_vlan(VlanBridge wanted, ChangeOptions options) {
    return change_as_one(state_, "interface.remove_vlan", options,
                         [wanted](const Site& site) { return prepare_vlan_removal(site, wanted); });
}

void Interfaces::connection_closed(std::uint64_t connection) {
    if (!state_->pending || state_->pending->connection != connection) return;
    spawn(
        state_->executor,
        State::expire(state_, state_->pending->number, Deadline::in(0s), "the connection that asked for it has ended"),
        "the end of a change of interfaces");
}

} // namespace domus::host
