#include "compute/domain/domains.hpp"

#include "async/read_document.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/domain/define.hpp"
#include "compute/domain/definition.hpp"
#include "compute/domain/errors.hpp"
#include "compute/domain/judge.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/life/reconnect.hpp"
#include "compute/snapshots/snapshot_change.hpp"
#include "compute/snapshots/snapshots.hpp"
#include "format/xml.hpp"
#include "os/cgroup.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <thread>

namespace domus::compute {

using namespace std::chrono_literals;

constexpr auto reading_timeout = 30s; ///< of a large document

Error no_domain(const Uuid& uuid, std::string_view name) {
    const auto whose = name.empty() ? fmt::format("'{}'", uuid.text()) : fmt::format("'{}' ({})", uuid.text(), name);
    return Error(ErrorCode::no_domain, ErrorDomain::qemu,
                 fmt::format("Domain not found: no domain with matching uuid {}", whose))
        .hint("see 'domus list --all'");
}

DomainPtr Domains::find(const Uuid& uuid) const {
    const auto found = by_uuid_.find(uuid);
    return found == by_uuid_.end() || !found->second->view() ? nullptr : found->second;
}

DomainPtr Domains::find_name(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() || !found->second->view() ? nullptr : found->second->shared_from_this();
}

DomainPtr Domains::find_id(int id) const {
    for (const auto& [uuid, domain] : by_uuid_)
        if (domain->view() && domain->view()->ref.id == id) return domain;
    return nullptr;
}

DomainPtr Domains::get(const Uuid& uuid, std::string_view name) const {
    if (auto domain = find(uuid)) return domain;
    throw no_domain(uuid, name);
}

DomainPtr Domains::get_name(std::string_view name) const {
    if (auto domain = find_name(name)) return domain;
    throw Error(ErrorCode::no_domain, ErrorDomain::qemu,
                fmt::format("Domain not found: no domain with matching name '{}'", name))
        .hint("see 'domus list --all'");
}

DomainPtr Domains::get_id(int id) const {
    if (auto domain = find_id(id)) return domain;
    throw Error(ErrorCode::no_domain, ErrorDomain::qemu,
                fmt::format("Domain not found: no domain with matching id {}", id))
        .hint("see 'domus list --all'");
}

void Domains::each(const std::function<void(const DomainPtr&)>& visit) const {
    for (const auto& [uuid, domain] : by_uuid_)
        if (domain->view()) visit(domain);
}

namespace {

/// They work until both are on one network; libvirt takes them too.
void warn_of_equal_macs(const model::Domain& domain) {
    std::set<std::string> seen;
    for (const auto& interface : domain.devices.interfaces) {
        auto mac = interface.mac.value_or("");
        std::ranges::transform(mac, mac.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (!mac.empty() && !seen.insert(mac).second && !interface.teaming)
            log::warning("domain '{}': line {}: two interfaces have the MAC address {}", domain.name,
                         interface.rest.line, mac);
    }
}

} // namespace

Task<Domains::Wanted> Domains::admit(std::string xml, Credentials who, format::Reading how) {
    Wanted wanted;
    const auto size = xml.size();
    auto read = [xml = std::move(xml), how] { return read_domain(xml, how); };
    wanted.model = co_await read_document(environment_.files, size, Deadline::in(reading_timeout), std::move(read));
    warn_of_equal_macs(wanted.model);
    co_await require_rights(environment_, std::move(who), wanted.model); // before anything of it is run
    wanted.model = co_await environment_.engine->complete(std::move(wanted.model));

    // From here to the end nothing waits: what is found free stays free.
    const auto& uuid = *wanted.model.uuid;
    const auto& name = wanted.model.name;
    const auto same_uuid = by_uuid_.find(uuid);
    const auto same_name = by_name_.find(name);
    if (same_uuid != by_uuid_.end()) {
        if (same_uuid->second->name() != name)
            throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                        fmt::format("operation failed: domain '{}' is already defined with uuid {}",
                                    same_uuid->second->name(), uuid.text()))
                .hint("remove <uuid> from the XML to make a new domain, or use 'domus domrename'");
        wanted.domain = same_uuid->second;
        co_return wanted;
    }
    if (same_name != by_name_.end())
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: domain '{}' already exists with uuid {}", name,
                                same_name->second->uuid().text()))
            .hint(fmt::format("choose another <name>, or put <uuid>{}</uuid> in the XML to change that domain",
                              same_name->second->uuid().text()));
    wanted.domain = std::make_shared<Domain>(environment_, DomainRef{name, uuid, -1});
    wanted.fresh = true;
    by_uuid_.emplace(uuid, wanted.domain);
    by_name_.emplace(name, wanted.domain.get());
    co_return wanted;
}

Task<DomainPtr> Domains::define(std::string xml, Credentials who, format::Reading how) {
    for (;;) {
        auto wanted = co_await admit(xml, who, how);
        std::exception_ptr failure;
        try {
            co_await compute::define(wanted.domain, std::move(wanted.model), who);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return wanted.domain;
        const bool gone = !wanted.fresh && !has(*wanted.domain); // just before: the next turn makes it anew
        if (wanted.fresh) remove(*wanted.domain);
        if (!gone) std::rethrow_exception(failure);
    }
}

Task<> Domains::check(std::string xml, Credentials who) {
    const auto wanted = co_await admit(std::move(xml), std::move(who), format::Reading::lenient);
    if (wanted.fresh) remove(*wanted.domain);
}

Task<> Domains::require_rights_of(Credentials who, std::string xml) {
    auto wanted = format::from_xml<model::Domain>(xml, ErrorDomain::domain);
    co_await require_rights(environment_, std::move(who), std::move(wanted));
}

Task<DomainPtr> Domains::create(std::string xml, StartRequest request, format::Reading how) {
    auto wanted = co_await admit(std::move(xml), request.caller.value_or(own_credentials()), how);
    std::exception_ptr failure;
    try {
        co_await start(wanted.domain, std::move(request),
                       std::make_shared<const model::Domain>(std::move(wanted.model)));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        if (wanted.fresh && !wanted.domain->view())
            remove(*wanted.domain); // else it runs, and only went wrong thereafter
        std::rethrow_exception(failure);
    }
    co_return wanted.domain;
}

bool Domains::has(const Domain& domain) const {
    const auto found = by_uuid_.find(domain.uuid());
    return found != by_uuid_.end() && found->second.get() == &domain;
}

void Domains::remove(Domain& domain) {
    if (!has(domain)) return;
    by_name_.erase(domain.name());
    by_uuid_.erase(domain.uuid());
}

void Domains::reserve_name(const std::string& name, Domain& domain) {
    const auto [place, fresh] = by_name_.emplace(name, &domain);
    if (!fresh) throw invalid_operation(fmt::format("domain with name '{}' already exists", name));
}

void Domains::release_name(const std::string& name) { by_name_.erase(name); }

void Domains::connection_closed(std::uint64_t owner) {
    connections_.erase(owner);
    for (const auto& [uuid, domain] : by_uuid_) compute::connection_closed(domain, owner);
}

Task<> Domains::load() {
    auto work = [store = environment_.store] {
        store.prepare();
        return store.load();
    };
    const auto loaded = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint.text);
    for (const auto& stored : loaded.domains) {
        auto domain = std::make_shared<Domain>(environment_, stored.ref);
        domain->restore_definition(stored.definition, stored.autostart, stored.managed_save);
        by_name_.emplace(stored.ref.name, domain.get());
        by_uuid_.emplace(stored.ref.uuid, std::move(domain));
    }
    co_await adopt_running();
    co_await load_snapshots();
}

Task<> Domains::load_snapshots() {
    struct Loaded {
        std::map<std::string, SnapshotTree> trees;
        std::map<std::string, SnapshotIntent> intents;
        std::vector<Complaint> complaints;
    };
    auto work = [store = environment_.store] {
        Loaded loaded;
        for (const auto& name : store.domains_with_snapshots()) {
            auto tree = store.load_snapshots(name, loaded.complaints);
            if (!tree.empty()) loaded.trees.emplace(name, std::move(tree));
            if (auto intent = store.load_intent(name, loaded.complaints))
                loaded.intents.emplace(name, std::move(*intent));
        }
        return loaded;
    };
    auto loaded = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint.text);
    for (auto& [name, tree] : loaded.trees)
        if (const auto domain = find_name(name)) take_snapshots(*domain, std::move(tree));
    for (auto& [name, intent] : loaded.intents)
        if (const auto domain = find_name(name)) finish_intent(domain, std::move(intent));
}

Task<> Domains::adopt_running() {
    auto work = [store = environment_.store] { return find_guests(store); };
    auto found = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : found.complaints) log::warning("{}", complaint);
    environment_.last_id = found.last_id;
    strays_ = std::move(found.strays);
    co_await take_over_strays(found.guests);
    for (const auto& stray : strays_)
        log::error("{} has the folder '{}' and no record that can be read", stray.text(), stray.folder);
    // Those that run first: of two records of a domain, the one whose process lives is right.
    std::ranges::stable_partition(found.guests, [](const FoundGuest& guest) { return guest.process.has_value(); });
    for (auto& guest : found.guests) {
        if (!find(*guest.record->domain.uuid)) correct_uuid(guest);
        const auto& uuid = *guest.record->domain.uuid;
        environment_.last_id = std::max(environment_.last_id, guest.record->domain.id.value_or(0));
        auto domain = find(uuid);
        if (domain && domain->view()->active()) {
            add_second(std::move(guest));
            continue;
        }
        if (!domain) {
            domain = std::make_shared<Domain>(environment_, DomainRef{guest.record->domain.name, uuid, -1});
            by_name_.emplace(guest.record->domain.name, domain.get());
            by_uuid_.emplace(uuid, domain);
        }
        co_await reconnect(domain, std::move(guest));
    }
    auto sweep = [settings = environment_.settings, library = environment_.store.folders().library] {
        remove_empty_groups(settings, library);
    };
    co_await environment_.files.run(Deadline::never(), std::move(sweep));
}

Task<> Domains::take_over_strays(std::vector<FoundGuest>& found) {
    auto strays = std::exchange(strays_, {});
    for (auto& stray : strays) {
        std::optional<FoundGuest> guest;
        try {
            guest = co_await take_over(stray);
        } catch (const std::exception& error) {
            log::error("{} cannot be taken over: {}", stray.text(), error.what());
        }
        if (guest)
            found.push_back(std::move(*guest));
        else
            strays_.push_back(std::move(stray));
    }
}

Task<std::optional<FoundGuest>> Domains::take_over(Stray stray) {
    const auto domain = find_name(stray.name);
    const auto& folders = environment_.store.folders();
    const int id = id_of(stray.folder);
    if (!domain || !domain->view()->definition || domain->uuid().text() != stray.uuid
        || stray.folder != domain_folder(folders, id, stray.name))
        co_return std::nullopt;
    auto record = std::make_shared<RunRecord>();
    // QEMU says later whether it runs. As running, a guest that was started paused would count as a start that was cut off.
    record->state = static_cast<int>(State::paused);
    record->pid = stray.process->pid();
    record->start_time = stray.process->start_time();
    record->folder = stray.folder;
    const auto group = group_of(environment_.settings, stray.folder);
    if (has_process(group, record->pid)) record->cgroup = group;
    if (const auto user = user_of(record->pid); user && user->uid != ::geteuid()) {
        record->uid = user->uid;
        record->gid = user->gid;
    }
    record->domain = parse_definition(*domain->view()->definition);
    record->domain = co_await environment_.engine->complete(std::move(record->domain));
    record->domain.id = id;
    environment_.engine->assign_aliases(record->domain);
    log::warning(
        "{} was found by the lock of '{}': both its records are lost, and its devices are those of its definition",
        stray.text(), stray.folder);
    FoundGuest guest{std::move(record), std::move(*stray.process), {}, false};
    for (auto& other : stray.others) guest.others.push_back(std::move(*other));
    co_return guest;
}

/// A record under the name of a defined domain is that domain's: another UUID in it is damage.
void Domains::correct_uuid(FoundGuest& guest) const {
    const auto domain = find_name(guest.record->domain.name);
    if (!domain) return;
    log::warning("the record of domain '{}' has the UUID {}, not {}", domain->name(), guest.record->domain.uuid->text(),
                 domain->uuid().text());
    auto corrected = std::make_shared<RunRecord>(*guest.record);
    corrected->domain.uuid = domain->uuid();
    guest.record = std::move(corrected);
}

/// Another process of a domain that was found already.
void Domains::add_second(FoundGuest guest) {
    if (!guest.process) return; // of an earlier run: the record of the present one has replaced its own
    const auto& model = guest.record->domain;
    strays_.push_back(
        {std::make_shared<Process>(std::move(*guest.process)), guest.record->folder, model.name, model.uuid->text()});
    log::error("{} runs beside another one of that domain", strays_.back().text());
}

std::vector<Stray> Domains::strays_of(const Domain& domain) {
    std::erase_if(strays_, [](const Stray& stray) { return stray.process->poll().has_value(); });
    std::vector<Stray> found;
    for (const auto& stray : strays_)
        if (stray.uuid == domain.uuid().text() || stray.name == domain.name()) found.push_back(stray);
    return found;
}

void Domains::require_no_stray(const Domain& domain) {
    const auto strays = strays_of(domain);
    if (strays.empty()) return;
    const auto& stray = strays.front();
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: domain '{}' has a process of an earlier run", domain.name()))
        .because(fmt::format("{} has the folder '{}', whose record cannot be read", stray.text(), stray.folder))
        .hint(fmt::format("end it with 'kill {}', then start the domain again", stray.process->pid()));
}

std::vector<std::string> Domains::messages(const Domain& domain) {
    std::vector<std::string> all;
    if (const auto& live = domain.view()->live) {
        if (!live->record_fault.empty())
            all.push_back("a restarted daemon may miss its latest changes: " + live->record_fault);
        all.insert(all.end(), live->helper_faults.begin(), live->helper_faults.end());
    }
    for (const auto& stray : strays_of(domain))
        all.push_back(fmt::format("{} runs, and its record cannot be read; end it with 'kill {}'", stray.text(),
                                  stray.process->pid()));
    return all;
}

void Domains::autostart() {
    const auto all = std::make_shared<Autostart>();
    each([&](const DomainPtr& domain) {
        if (domain->view()->autostart && !domain->view()->active()) all->waiting.push_back(domain);
    });
    // Several side by side, since most of a start is waiting; not all, since each new QEMU wants a processor.
    all->side_by_side = std::clamp(std::thread::hardware_concurrency(), 2u, 8u);
    for (auto left = all->side_by_side; left > 0; --left)
        spawn(environment_.executor, autostart_next(all), "autostart");
}

/// Starts one after the other until none waits. What a client has started meanwhile, or changed to start by hand, is left alone.
Task<> Domains::autostart_next(std::shared_ptr<Autostart> all) {
    while (!all->waiting.empty()) {
        const auto domain = std::move(all->waiting.front());
        all->waiting.pop_front();
        const auto view = domain->view();
        if (!view || !view->autostart || view->active()) continue;
        std::string failure;
        try {
            StartRequest by_daemon;
            co_await start(domain, std::move(by_daemon));
        } catch (const std::exception& error) {
            failure = error.what();
        }
        (failure.empty() ? all->started : all->failed) += 1;
        if (!failure.empty()) log::error("cannot autostart domain '{}': {}", domain->name(), failure);
    }
    if (--all->side_by_side == 0)
        log::info("autostart is done: {} domains started, {} failed", all->started, all->failed);
}

} // namespace domus::compute
