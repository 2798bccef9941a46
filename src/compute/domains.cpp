#include "compute/domains.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "engine/qemu/complete.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

Error no_domain(const Uuid& uuid, std::string_view name) {
    const auto whose = name.empty() ? fmt::format("'{}'", uuid.text()) : fmt::format("'{}' ({})", uuid.text(), name);
    return Error(ErrorCode::no_domain, ErrorDomain::qemu, fmt::format("Domain not found: no domain with matching uuid {}", whose))
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
    throw Error(ErrorCode::no_domain, ErrorDomain::qemu, fmt::format("Domain not found: no domain with matching id {}", id))
        .hint("see 'domus list --all'");
}

void Domains::each(const std::function<void(const DomainPtr&)>& visit) const {
    for (const auto& [uuid, domain] : by_uuid_)
        if (domain->view()) visit(domain);
}

Task<Domains::Wanted> Domains::admit(std::string xml) {
    Wanted wanted;
    wanted.model = format::from_xml<model::Domain>(xml, ErrorDomain::domain);
    format::Findings findings;
    model::check(wanted.model, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    const auto capabilities = co_await environment_.qemu->capabilities(wanted.model.devices.emulator.value_or(""));
    engine::qemu::complete(wanted.model, *capabilities);

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

Task<DomainPtr> Domains::define(std::string xml) {
    for (;;) {
        auto wanted = co_await admit(xml);
        std::exception_ptr failure;
        try {
            co_await wanted.domain->define(std::move(wanted.model));
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return wanted.domain;
        const bool gone = !wanted.fresh && !has(*wanted.domain); // just before: the next turn makes it anew
        if (wanted.fresh) remove(*wanted.domain);
        if (!gone) std::rethrow_exception(failure);
    }
}

Task<DomainPtr> Domains::create(std::string xml, StartRequest request) {
    auto wanted = co_await admit(std::move(xml));
    std::exception_ptr failure;
    try {
        co_await wanted.domain->start(std::move(request), std::make_shared<const model::Domain>(std::move(wanted.model)));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        if (wanted.fresh && !wanted.domain->view()) remove(*wanted.domain); // else it runs, and only went wrong thereafter
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
    if (!fresh)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("Requested operation is not valid: domain with name '{}' already exists", name));
}

void Domains::release_name(const std::string& name) { by_name_.erase(name); }

void Domains::connection_closed(std::uint64_t owner) {
    connections_.erase(owner);
    for (const auto& [uuid, domain] : by_uuid_) domain->connection_closed(owner);
}

Task<> Domains::load() {
    auto work = [store = environment_.store] {
        store.prepare();
        return store.load();
    };
    const auto loaded = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint);
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
        std::vector<std::string> complaints;
    };
    auto work = [store = environment_.store] {
        Loaded loaded;
        for (const auto& name : store.domains_with_snapshots()) {
            auto tree = store.load_snapshots(name, loaded.complaints);
            if (!tree.empty()) loaded.trees.emplace(name, std::move(tree));
        }
        return loaded;
    };
    auto loaded = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint);
    for (auto& [name, tree] : loaded.trees)
        if (const auto domain = find_name(name)) domain->take_snapshots(std::move(tree));
}

Task<> Domains::adopt_running() {
    auto work = [store = environment_.store] {
        return store.load_records();
    };
    const auto records = co_await environment_.files.run(Deadline::never(), std::move(work));
    for (const auto& complaint : records.complaints) log::warning("{}", complaint);
    for (const auto& record : records.records) {
        const auto& uuid = *record->domain.uuid;
        environment_.last_id = std::max(environment_.last_id, record->domain.id.value_or(0));
        auto domain = find(uuid);
        if (!domain) {
            domain = std::make_shared<Domain>(environment_, DomainRef{record->domain.name, uuid, -1});
            by_name_.emplace(record->domain.name, domain.get());
            by_uuid_.emplace(uuid, domain);
        }
        co_await domain->reconnect(record);
    }
}

Task<> Domains::autostart() {
    std::vector<DomainPtr> chosen;
    each([&](const DomainPtr& domain) {
        if (domain->view()->autostart && !domain->view()->active()) chosen.push_back(domain);
    });
    for (const auto& domain : chosen) {
        std::string failure;
        try {
            StartRequest by_daemon;
            co_await domain->start(std::move(by_daemon));
        } catch (const std::exception& error) {
            failure = error.what();
        }
        if (!failure.empty()) log::error("cannot autostart domain '{}': {}", domain->name(), failure);
    }
}

} // namespace domus::compute
