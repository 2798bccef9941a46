#include "filter/filters.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "filter/stock.hpp"
#include "model/unsupported.hpp"
#include "os/nft.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <chrono>

namespace domus::filter {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto queue_timeout = 60s;
constexpr auto file_timeout = 30s;
constexpr auto script_timeout = 30s;

/// What stands for a filter while the address of a guest is not known: it may ask for one, and be asked who it is.
constexpr std::string_view learning_name = "(learning)";
constexpr std::string_view learning_filter = R"(<filter name='(learning)' chain='root'>
    <rule action='accept' direction='out'>
      <ip srcmacaddr='$MAC' protocol='udp' srcportstart='68' dstportstart='67'/>
    </rule>
    <rule action='accept' direction='in'><ip protocol='udp' srcportstart='67' dstportstart='68'/></rule>
    <rule action='accept' direction='in'><arp/></rule>
    <rule action='drop' direction='inout' priority='1000'><mac/></rule>
  </filter>)";

Error failure(ErrorCode code, std::string what) { return Error(code, ErrorDomain::nwfilter, std::move(what)); }

Error no_filter(std::string_view by, std::string_view what) {
    return failure(ErrorCode::no_nwfilter,
                   fmt::format("Network filter not found: no nwfilter with matching {} '{}'", by, what))
        .hint("see 'domus nwfilter-list'");
}

Error no_binding(std::string_view device) {
    return failure(ErrorCode::no_nwfilter_binding,
                   fmt::format("Network filter binding not found: no nwfilter binding for port dev '{}'", device))
        .hint("see 'domus nwfilter-binding-list'");
}

std::uint64_t now_s() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

model::NwFilter parse(const std::string& xml, bool strictly) {
    auto filter = format::from_xml<model::NwFilter>(xml, ErrorDomain::nwfilter, format::reading(strictly));
    format::Findings findings;
    model::check(filter, findings);
    format::throw_findings(findings, ErrorDomain::nwfilter, "<filter>");
    model::normalize(filter);
    model::find_unsupported(filter, findings);
    format::throw_findings(findings, ErrorDomain::nwfilter, "<filter>");
    return filter;
}

model::NwFilter read_definition(const std::string& name, const std::string& text) {
    auto filter = format::from_xml<model::NwFilter>(text, ErrorDomain::nwfilter);
    format::Findings findings;
    model::check(filter, findings);
    format::throw_findings(findings, ErrorDomain::nwfilter, "<filter>");
    if (!filter.uuid || filter.name != name)
        throw failure(ErrorCode::xml_error, "the file is not named after the <filter> in it, or that has no <uuid>");
    model::normalize(filter);
    return filter;
}

void check_binding(const model::FilterBinding& binding) {
    format::Findings findings;
    model::check(binding, findings);
    model::find_unsupported(binding, findings);
    format::throw_findings(findings, ErrorDomain::nwfilter, "<filterbinding>");
}

const std::string* parameter(const model::FilterBinding& binding, std::string_view name) {
    for (const auto& each : binding.filter.parameters)
        if (each.name == name) return &each.value;
    return nullptr;
}

Learning learning_for(const model::FilterBinding& binding) {
    const auto* word = parameter(binding, "CTRL_IP_LEARNING");
    if (!word) return Learning::any;
    if (const auto how = learning_of(*word)) return *how;
    throw failure(ErrorCode::parse_failed,
                  fmt::format("filter '{}' learning value '{}' invalid.", binding.filter.filter, *word))
        .hint("CTRL_IP_LEARNING is any, dhcp or none");
}

std::string joined(const std::set<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += fmt::format("{}{}", out.empty() ? "" : ", ", word);
    return out;
}

} // namespace

const format::Schema& LearntAddress::schema() {
    static const format::Schema table =
        format::Describe<LearntAddress>("learnt", "An address of the guest that was learnt.")
            .field("@ip", &LearntAddress::ip, "the address", format::required)
            .field("@until", &LearntAddress::until, "when its lease ends, in seconds since 1970");
    return table;
}

/// What of a binding lies on the disk.
struct Filters::Record {
    model::FilterBinding binding;
    std::vector<LearntAddress> learnt;
    format::Rest rest;

    static const format::Schema& schema() {
        static const format::Schema table = format::Describe<Record>("record", "A binding, and what was learnt for it.")
                                                .field("filterbinding", &Record::binding, "", format::required)
                                                .field("learnt", &Record::learnt);
        return table;
    }
    bool operator==(const Record&) const = default;
};

struct Filters::Binding {
    std::shared_ptr<const model::FilterBinding> definition;
    std::vector<LearntAddress> learnt;
    Chains chains;
    PortRules rules; ///< that are in force
    std::unique_ptr<Learner> learner;
    bool learns = false; ///< its filter compares with an address that nobody has given
    bool gone = false;
};

struct Filters::Loaded {
    std::vector<model::NwFilter> filters;
    std::vector<Record> records;
    std::vector<std::string> gone; ///< devices that had a binding
    std::vector<Complaint> complaints;
    bool had_stock = false;
};

Filters::Filters(Executor executor, Folders folders)
    : executor_(executor), folders_(std::move(folders)), definitions_({.definitions = folders_.definitions}),
      lane_(executor, "the network filters", 1),
      jobs_(executor, "the store of network filters", "see who else changes the firewall: 'ps -C nft,iptables -f'"),
      leases_changed_(executor) {}

Filters::~Filters() { *alive_ = false; }

// ---- looking ------------------------------------------------------------------------------------------------------

std::vector<FilterView> Filters::list() const {
    std::vector<FilterView> views;
    for (const auto& [name, filter] : filters_) views.push_back({name, *filter->uuid, filter});
    return views;
}

FilterView Filters::get(const Uuid& uuid) const {
    for (const auto& [name, filter] : filters_)
        if (filter->uuid == uuid) return {name, uuid, filter};
    throw no_filter("uuid", uuid.text());
}

FilterView Filters::get_name(const std::string& name) const {
    const auto& filter = find(name);
    return {name, *filter->uuid, filter};
}

const Filters::FilterPtr& Filters::find(const std::string& name) const {
    const auto found = filters_.find(name);
    if (found == filters_.end()) throw no_filter("name", name);
    return found->second;
}

BindingView Filters::view(const Binding& binding) {
    BindingView out{binding.definition->port_dev, binding.definition, {}};
    for (const auto& address : binding.learnt) out.learnt.push_back(address.ip);
    return out;
}

std::vector<BindingView> Filters::bindings() const {
    std::vector<BindingView> views;
    for (const auto& [device, binding] : bindings_) views.push_back(view(*binding));
    return views;
}

BindingView Filters::binding(const std::string& device) const {
    const auto found = bindings_.find(device);
    if (found == bindings_.end()) throw no_binding(device);
    return view(*found->second);
}

std::vector<BindingView> Filters::bindings_of(const std::string& device_or_owner) const {
    std::vector<BindingView> found;
    if (bindings_.contains(device_or_owner)) return {binding(device_or_owner)};
    for (const auto& [device, each] : bindings_)
        if (each->definition->owner_name == device_or_owner || each->definition->owner_uuid.text() == device_or_owner)
            found.push_back(view(*each));
    if (found.empty()) throw no_binding(device_or_owner);
    return found;
}

Explanation Filters::explain(const std::string& device) const {
    const auto found = bindings_.find(device);
    if (found == bindings_.end()) throw no_binding(device);
    return filter::explain(found->second->rules);
}

Lookup Filters::lookup() const {
    return [this](const std::string& name) -> const model::NwFilter* {
        const auto found = filters_.find(name);
        return found == filters_.end() ? nullptr : found->second.get();
    };
}

Lookup Filters::lookup_with(const model::NwFilter& fresh) const {
    return [known = lookup(), &fresh](const std::string& name) { return name == fresh.name ? &fresh : known(name); };
}

std::vector<Filters::BindingPtr> Filters::users_of(const std::string& name, const Lookup& lookup) const {
    std::vector<BindingPtr> users;
    for (const auto& [device, binding] : bindings_)
        if (names_below(lookup, {binding->definition->filter}).contains(name)) users.push_back(binding);
    return users;
}

// ---- rules --------------------------------------------------------------------------------------------------------

PortRules Filters::rules_of(const Binding& binding, const Lookup& lookup) const {
    const auto& wanted = *binding.definition;
    Variables outer{{"MAC", {wanted.mac}}};
    const auto how = learning_for(wanted);
    const bool given = parameter(wanted, "IP") != nullptr;
    if (!given)
        for (const auto& address : binding.learnt) outer["IP"].push_back(address.ip);
    auto expanded = expand(lookup, wanted.filter, outer);
    const bool only_ip = std::ranges::all_of(
        expanded.missing, [](const std::string& name) { return name == "IP" || name.starts_with("IP["); });
    if (expanded.missing.empty()) return {wanted.port_dev, std::move(expanded)};
    if (given || !only_ip || how == Learning::none || !binding.learnt.empty())
        throw failure(
            ErrorCode::internal_error,
            fmt::format("internal error: Cannot instantiate filter due to unresolvable variables or unavailable "
                        "list elements: {}",
                        joined(expanded.missing)))
            .hint("give them values: <parameter name='...' value='...'/> in the <filterref>");
    static const auto learning = format::from_xml<model::NwFilter>(learning_filter);
    const Lookup only_learning = [](const std::string&) { return &learning; };
    const model::FilterReference reference{std::string(learning_name), {}, {}};
    return {wanted.port_dev, expand(only_learning, reference, outer)};
}

/// Tried once, when they are needed first.
Task<> Filters::require_abilities() {
    if (abilities_) co_return;
    auto work = [] {
        const auto can = [](std::string_view statement) {
            try {
                nft::check_script(probe_script(statement), script_timeout);
                return true;
            } catch (const Error& error) {
                if (error.code() != ErrorCode::operation_failed) throw;
                return false;
            }
        };
        return Abilities{.tracking = can("ct state new accept"), .reject = can("reject")};
    };
    abilities_ = co_await lane_.run(Deadline::in(2 * script_timeout), std::move(work));
    log::info("network filters: connection tracking on bridges {}, rejecting {}",
              abilities_->tracking ? "works" : "is missing", abilities_->reject ? "works" : "is missing");
}

Task<> Filters::run_script(std::string script) {
    auto work = [script = std::move(script)] { nft::apply_script(script, script_timeout); };
    co_await lane_.run(Deadline::in(2 * script_timeout), std::move(work));
}

/// Makes the rules of these ports anew, all or none. `fresh` counts in place of the filter of its name;
/// `script` comes before them in the transaction.
Task<> Filters::apply(std::vector<BindingPtr> ports, FilterPtr fresh, Broken broken, std::string script) {
    co_await require_abilities();
    const auto look = fresh ? lookup_with(*fresh) : lookup();
    script += table_script();
    std::vector<std::pair<PortRules, Chains>> made;
    for (const auto& port : ports) {
        PortRules rules;
        PortScript text;
        try {
            rules = rules_of(*port, look);
            text = port_script(rules, *abilities_, port->chains);
        } catch (const Error& error) {
            if (broken == Broken::refused) throw;
            log::error("network device '{}': nothing passes, since its filter cannot be made: {}",
                       port->definition->port_dev, error.text());
            rules = {port->definition->port_dev, {}, true};
            text = port_script(rules, *abilities_, port->chains);
        }
        script += text.text;
        made.emplace_back(std::move(rules), std::move(text.chains));
    }
    // Whether a script that was abandoned has been performed, nobody knows; the next names the chains of both.
    for (std::size_t i = 0; i < ports.size(); ++i)
        ports[i]->chains.insert(made[i].second.begin(), made[i].second.end());
    co_await run_script(std::move(script));
    for (std::size_t i = 0; i < ports.size(); ++i) {
        ports[i]->rules = std::move(made[i].first);
        ports[i]->chains = std::move(made[i].second);
        start_learning(ports[i]);
    }
}

// ---- definitions ----------------------------------------------------------------------------------------------------

/// Judges a definition against those that are there.
void Filters::admit(const model::NwFilter& wanted) const {
    for (const auto& [name, filter] : filters_) {
        if (filter->uuid == wanted.uuid && name != wanted.name)
            throw failure(
                ErrorCode::operation_failed,
                fmt::format("operation failed: filter with same UUID but different name ('{}') already exists", name));
        if (name == wanted.name && filter->uuid != wanted.uuid)
            throw failure(
                ErrorCode::operation_failed,
                fmt::format("operation failed: filter '{}' already exists with uuid {}", name, filter->uuid->text()))
                .hint("give that <uuid> to change it; 'domus nwfilter-edit' does");
    }
    const auto look = lookup_with(wanted);
    if (names_below(look, wanted.includes).contains(wanted.name))
        throw failure(ErrorCode::operation_failed, "operation failed: filter would introduce a loop");
    for (const auto& include : wanted.includes)
        if (!look(include.filter))
            throw failure(ErrorCode::operation_failed,
                          fmt::format("operation failed: referenced filter '{}' is missing", include.filter))
                .hint("define it first");
}

void Filters::check(const std::string& xml) const {
    auto wanted = parse(xml, false);
    if (!wanted.uuid) wanted.uuid = Uuid::random();
    admit(wanted);
}

Task<> Filters::save(FilterPtr definition, bool known) {
    auto work = [store = definitions_, definition, known] {
        store.save(definition->name, format::to_xml(*definition), !known);
    };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
}

Task<FilterView> Filters::define(std::string xml, bool strictly) {
    const auto turn = co_await jobs_.enter("define", Deadline::in(queue_timeout));
    auto parsed = parse(xml, strictly);
    if (!parsed.uuid) parsed.uuid = Uuid::random();
    admit(parsed);
    const auto wanted = std::make_shared<const model::NwFilter>(std::move(parsed));
    const auto users = users_of(wanted->name, lookup());
    if (!users.empty()) co_await apply(users, wanted, Broken::refused);
    std::exception_ptr unsaved;
    try {
        co_await save(wanted, filters_.contains(wanted->name));
    } catch (...) {
        unsaved = std::current_exception();
    }
    if (unsaved) {
        if (!users.empty()) co_await apply(users, nullptr, Broken::sealed);
        std::rethrow_exception(unsaved);
    }
    filters_[wanted->name] = wanted;
    co_return FilterView{wanted->name, *wanted->uuid, wanted};
}

Task<> Filters::undefine(Uuid uuid) {
    const auto turn = co_await jobs_.enter("undefine", Deadline::in(queue_timeout));
    const auto known = get(uuid);
    const auto in_use = [&](std::string by) {
        return failure(ErrorCode::operation_invalid, "Requested operation is not valid: nwfilter is in use")
            .hint(std::move(by));
    };
    if (const auto users = users_of(known.name, lookup()); !users.empty())
        throw in_use(fmt::format("by the network device '{}' of '{}'", users.front()->definition->port_dev,
                                 users.front()->definition->owner_name));
    for (const auto& [other, filter] : filters_)
        if (model::includes(*filter, known.name))
            throw in_use(fmt::format("by the filter '{}', which includes it", other));
    auto work = [store = definitions_, which = known.name] { store.remove(which); };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
    filters_.erase(known.name);
}

// ---- bindings -------------------------------------------------------------------------------------------------------

Task<> Filters::write_record(BindingPtr binding) {
    const Record record{*binding->definition, binding->learnt, {}};
    auto work = [folder = folders_.bindings, device = binding->definition->port_dev, text = format::to_xml(record)] {
        StoredFolder(folder, largest_record).replace(device, text);
    };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
}

Task<> Filters::remove_record(std::string device) {
    auto work = [file = StoredFolder(folders_.bindings, largest_record).file(device)] { fs::remove(file); };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
}

Task<BindingView> Filters::bind_xml(std::string xml, bool strictly) {
    auto parsed = format::from_xml<model::FilterBinding>(xml, ErrorDomain::nwfilter, format::reading(strictly));
    auto task = bind(std::move(parsed));
    co_return co_await std::move(task);
}

Task<BindingView> Filters::bind(model::FilterBinding wanted) {
    const auto turn = co_await jobs_.enter("bind", Deadline::in(queue_timeout));
    check_binding(wanted);
    const auto device = wanted.port_dev;
    if (bindings_.contains(device))
        throw failure(ErrorCode::operation_failed, fmt::format("operation failed: binding '{}' already exists", device))
            .hint(fmt::format("delete it first: 'domus nwfilter-binding-delete {}'", device));
    auto task = put(std::move(wanted), nullptr);
    co_return co_await std::move(task);
}

Task<BindingView> Filters::rebind(model::FilterBinding wanted) {
    const auto turn = co_await jobs_.enter("rebind", Deadline::in(queue_timeout));
    check_binding(wanted);
    const auto found = bindings_.find(wanted.port_dev);
    auto task = put(std::move(wanted), found == bindings_.end() ? nullptr : found->second);
    co_return co_await std::move(task);
}

/// The record comes first: whatever has rules has one.
Task<BindingView> Filters::put(model::FilterBinding wanted, BindingPtr old) {
    const auto device = wanted.port_dev;
    const auto binding = std::make_shared<Binding>();
    binding->definition = std::make_shared<const model::FilterBinding>(std::move(wanted));
    if (old) binding->chains = old->chains;
    if (old && old->definition->mac == binding->definition->mac) binding->learnt = old->learnt;
    co_await write_record(binding);
    std::exception_ptr refused;
    try {
        const std::vector ports{binding};
        co_await apply(ports, nullptr, Broken::refused);
    } catch (...) {
        refused = std::current_exception();
    }
    if (refused) {
        if (old)
            co_await write_record(old);
        else
            co_await remove_record(device);
        std::rethrow_exception(refused);
    }
    if (old) {
        old->gone = true;
        old->learner.reset();
    }
    bindings_[device] = binding;
    co_return view(*binding);
}

Task<> Filters::unbind(std::string device) {
    if (!bindings_.contains(device)) co_return;
    const auto turn = co_await jobs_.enter("unbind", Deadline::in(queue_timeout));
    const auto found = bindings_.find(device);
    if (found == bindings_.end()) co_return;
    const auto binding = found->second;
    co_await run_script(removal_script(device, binding->chains, bindings_.size() == 1));
    binding->gone = true;
    binding->learner.reset();
    bindings_.erase(device);
    co_await remove_record(device);
}

// ---- learning -------------------------------------------------------------------------------------------------------

void Filters::start_learning(const BindingPtr& binding) {
    const auto& wanted = *binding->definition;
    const auto how = learning_for(wanted);
    const bool waits =
        std::ranges::any_of(binding->rules.rules.rules, [](const Rule& rule) { return rule.filter == learning_name; });
    binding->learns = waits || (how == Learning::dhcp && !binding->learnt.empty());
    if (!binding->learns) return binding->learner.reset();
    if (binding->learner) return;
    LearnFrom what{.mac = mac_bytes(wanted.mac), .how = how, .dhcp_server = {}};
    if (const auto* server = parameter(wanted, "DHCPSERVER")) what.dhcp_server = IpAddress::parse(*server);
    binding->learner =
        std::make_unique<Learner>(executor_, wanted.port_dev, what,
                                  [this, alive = std::weak_ptr(alive_), port = std::weak_ptr(binding)](Learnt learnt) {
                                      const auto known = port.lock();
                                      if (!alive.expired() && known && !known->gone)
                                          spawn(executor_, learn(known, learnt), "an address that was learnt");
                                  });
}

/// Leaves out addresses whose lease has ended; says whether there were any.
bool Filters::forget_old(Binding& binding, std::uint64_t now) {
    return std::erase_if(binding.learnt, [&](const auto& address) { return address.until && *address.until <= now; })
           > 0;
}

Task<> Filters::learn(BindingPtr binding, Learnt learnt) {
    const auto turn = co_await jobs_.enter("learn", Deadline::in(queue_timeout));
    if (binding->gone || !binding->learns) co_return;
    const LearntAddress fresh{learnt.address.text(),
                              learnt.lease && learning_for(*binding->definition) == Learning::dhcp
                                  ? std::optional(now_s() + *learnt.lease)
                                  : std::nullopt,
                              {}};
    const auto known = std::ranges::find(binding->learnt, fresh.ip, &LearntAddress::ip);
    if (known != binding->learnt.end()) {
        known->until = fresh.until;
        co_await write_record(binding);
    } else {
        log::info("network device '{}' of '{}': the guest has the address {}", binding->definition->port_dev,
                  binding->definition->owner_name, fresh.ip);
        binding->learnt.push_back(fresh);
        co_await rebuild(binding);
    }
    leases_changed_.notify_all();
}

Task<> Filters::rebuild(BindingPtr binding) {
    const std::vector ports{binding};
    co_await apply(ports, nullptr, Broken::sealed);
    co_await write_record(binding);
}

/// For as long as the daemon runs.
Task<> Filters::watch_leases() {
    for (;;) {
        auto next = std::uint64_t{0};
        for (const auto& [device, binding] : bindings_)
            for (const auto& address : binding->learnt)
                if (address.until && (next == 0 || *address.until < next)) next = *address.until;
        const auto now = now_s();
        const auto by = next == 0 ? Deadline::never() : Deadline::in(std::chrono::seconds(next > now ? next - now : 0));
        const bool changed = co_await leases_changed_.wait(by);
        if (changed) continue;
        std::string trouble;
        try {
            co_await end_leases();
        } catch (const std::exception& error) {
            trouble = error.what();
        }
        if (!trouble.empty()) log::error("addresses whose lease has ended stay: {}", trouble);
    }
}

Task<> Filters::end_leases() {
    const auto turn = co_await jobs_.enter("end leases", Deadline::in(queue_timeout));
    std::vector<BindingPtr> ended;
    for (const auto& [device, binding] : bindings_)
        if (forget_old(*binding, now_s())) ended.push_back(binding);
    if (ended.empty()) co_return;
    co_await apply(ended, nullptr, Broken::sealed);
    for (const auto& binding : ended) co_await write_record(binding);
}

// ---- start ----------------------------------------------------------------------------------------------------------

Filters::Loaded Filters::read_folders(const Folders& folders, const DefinitionStore& definitions) {
    Loaded loaded;
    definitions.prepare();
    ensure_directory(folders.bindings, 0700);
    ensure_directory(folders.library, 0700);
    auto found = definitions.load(read_definition, [](const model::NwFilter& filter) { return *filter.uuid; });
    for (auto& stored : found.definitions) loaded.filters.push_back(std::move(stored.value));
    loaded.complaints = std::move(found.complaints);
    StoredFolder records(folders.bindings, largest_record);
    for (auto& stored : records.load([](const std::string& name, const std::string& text) {
             auto record = format::from_xml<Record>(text, ErrorDomain::nwfilter);
             check_binding(record.binding);
             if (record.binding.port_dev != name)
                 throw failure(ErrorCode::xml_error, "the file is not named after the device in it");
             return record;
         })) {
        if (::if_nametoindex(stored.name.c_str()) != 0) {
            loaded.records.push_back(std::move(stored.value));
            continue;
        }
        loaded.gone.push_back(stored.name);
        fs::remove(records.file(stored.name));
    }
    loaded.complaints.insert(loaded.complaints.end(), records.complaints().begin(), records.complaints().end());
    loaded.had_stock = fs::exists(folders.library / "stock-was-made");
    return loaded;
}

/// Once on a host: what an administrator removes stays away.
Task<> Filters::make_stock() {
    for (auto& filter : stock_filters()) {
        if (filters_.contains(filter.name)) continue;
        filter.uuid = Uuid::random();
        const auto made = std::make_shared<const model::NwFilter>(std::move(filter));
        co_await save(made, false);
        filters_[made->name] = made;
    }
    auto work = [path = folders_.library / "stock-was-made"] { write_file_durably(path, "", 0644); };
    co_await lane_.run(Deadline::in(file_timeout), std::move(work));
}

/// Rules that are there count until these are; a port whose filter is broken is closed. What devices had that are gone goes.
Task<> Filters::restore(bool some_are_gone) {
    std::vector<BindingPtr> ports;
    for (const auto& [device, binding] : bindings_) ports.push_back(binding);
    if (ports.empty() && some_are_gone) co_await run_script(reset_script());
    if (ports.empty()) co_return;
    co_await apply(ports, nullptr, Broken::sealed, reset_script());
}

Task<> Filters::load() {
    auto work = [folders = folders_, store = definitions_] { return read_folders(folders, store); };
    auto loaded = co_await lane_.run(Deadline::in(file_timeout), std::move(work));
    log_complaints(loaded.complaints);
    for (auto& filter : loaded.filters) filters_[filter.name] = std::make_shared<const model::NwFilter>(filter);
    if (!loaded.had_stock) co_await make_stock();
    for (auto& record : loaded.records) {
        const auto binding = std::make_shared<Binding>();
        binding->definition = std::make_shared<const model::FilterBinding>(std::move(record.binding));
        binding->learnt = std::move(record.learnt);
        (void)forget_old(*binding, now_s());
        bindings_[binding->definition->port_dev] = binding;
    }
    for (const auto& device : loaded.gone)
        log::info("the network device '{}' is gone, and its filter's binding with it", device);
    std::string trouble;
    try {
        co_await restore(!loaded.gone.empty());
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!trouble.empty()) log::error("the rules of network filters stay as they were: {}", trouble);
    spawn(executor_, watch_leases(), "leases of guests");
}

} // namespace domus::filter
