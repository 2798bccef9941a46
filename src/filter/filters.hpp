// Network filters: their definitions, and the ports on which they are in force. Each change is one transaction of nft, so that
// packets meet the old rules or the new, and never none.
//
//     co_await filters.bind(binding);        // before the port's device is up
//     co_await filters.unbind("vnet0");      // when it is gone
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/signal.hpp"
#include "filter/explain.hpp"
#include "filter/learn.hpp"
#include "os/definition_store.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>

namespace domus::filter {

struct Folders {
    std::filesystem::path definitions; ///< NAME.xml: /etc/domus/nwfilter
    std::filesystem::path bindings;    ///< records, DEVICE.xml: /run/domus/nwfilter-binding
    std::filesystem::path library;     ///< whether the stock filters were made: /var/lib/domus/nwfilter
};

/// What readers see; immutable.
struct FilterView {
    std::string name;
    Uuid uuid;
    std::shared_ptr<const model::NwFilter> definition;
};
struct BindingView {
    std::string device;
    std::shared_ptr<const model::FilterBinding> definition;
    std::vector<std::string> learnt; ///< addresses of the guest
};

/// An address that was learnt, in the record of a binding.
struct LearntAddress {
    std::string ip;
    std::optional<std::uint64_t> until; ///< seconds since 1970; nothing: for ever
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const LearntAddress&) const = default;
};

class Filters {
public:
    Filters(Executor executor, Folders folders);
    ~Filters();

    /// Reads definitions and records, makes the stock filters on a host that never had them, and puts all rules in force again.
    Task<> load();

    std::vector<FilterView> list() const;
    /// Throw no_nwfilter.
    FilterView get(const Uuid& uuid) const;
    FilterView get_name(const std::string& name) const;

    /// Rules of all ports that use it change in the same transaction. Throws operation_failed for another filter of that name
    /// or UUID, for a loop and for a filter that is missing; what bind() throws where a port could not have it.
    Task<FilterView> define(std::string xml, bool strictly);
    /// Throws what define() would throw for the document itself, and changes nothing.
    void check(const std::string& xml) const;
    /// Throws operation_invalid while a port or another filter uses it.
    Task<> undefine(Uuid uuid);

    std::vector<BindingView> bindings() const;
    /// Throws no_nwfilter_binding.
    BindingView binding(const std::string& device) const;
    /// By device, or all of a domain by its name or UUID. Throws no_nwfilter_binding where there is none.
    std::vector<BindingView> bindings_of(const std::string& device_or_owner) const;

    /// Puts a filter in force on a device, which may be made afterwards. Throws operation_failed where it has one already,
    /// internal_error for a filter that is missing or a variable without a value, config_unsupported for what the kernel lacks.
    Task<BindingView> bind(model::FilterBinding binding);
    /// Puts another filter, or other values, in force on a device in one transaction; as bind() where it has none. What it
    /// throws leaves the old one.
    Task<BindingView> rebind(model::FilterBinding binding);
    Task<BindingView> bind_xml(std::string xml, bool strictly);
    /// Takes its rules away; nothing happens if it has none.
    Task<> unbind(std::string device);

    Explanation explain(const std::string& device) const;

private:
    using FilterPtr = std::shared_ptr<const model::NwFilter>;
    struct Binding;
    struct Record;
    struct Loaded;
    using BindingPtr = std::shared_ptr<Binding>;
    enum class Broken { refused, sealed }; ///< what becomes of a port whose rules cannot be made

    const FilterPtr& find(const std::string& name) const;
    Lookup lookup() const;
    Lookup lookup_with(const model::NwFilter& fresh) const;
    void admit(const model::NwFilter& wanted) const;
    std::vector<BindingPtr> users_of(const std::string& name, const Lookup& lookup) const;
    PortRules rules_of(const Binding& binding, const Lookup& lookup) const;
    Task<> require_abilities();
    Task<> apply(std::vector<BindingPtr> ports, FilterPtr fresh, Broken broken, std::string script = "");
    Task<> run_script(std::string script);
    Task<> save(FilterPtr definition, bool known);
    Task<BindingView> put(model::FilterBinding wanted, BindingPtr old);
    Task<> write_record(BindingPtr binding);
    Task<> remove_record(std::string device);
    Task<> make_stock();
    Task<> restore(bool some_are_gone);
    void start_learning(const BindingPtr& binding);
    Task<> learn(BindingPtr binding, Learnt learnt);
    Task<> rebuild(BindingPtr binding);
    Task<> watch_leases();
    Task<> end_leases();
    static BindingView view(const Binding& binding);
    static Loaded read_folders(const Folders& folders, const DefinitionStore& definitions);
    static bool forget_old(Binding& binding, std::uint64_t now);

    Executor executor_;
    Folders folders_;
    DefinitionStore definitions_;
    Lane lane_;
    Mailbox jobs_;
    Notice leases_changed_;
    std::optional<Abilities> abilities_;
    std::map<std::string, FilterPtr> filters_;
    std::map<std::string, BindingPtr> bindings_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace domus::filter
