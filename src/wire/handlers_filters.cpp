// Procedures on network filters and their bindings.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::BindingView;
using service::Door;
using service::FilterBindingOperations;
using service::FilterBindingRef;
using service::FilterDefineFlag;
using service::FilterOperations;
using service::FilterRef;
using service::FilterView;
using service::Flags;

constexpr std::size_t most_rules = 16384; ///< of a reply

Nwfilter to_wire(const FilterView& view) { return {view.name, view.uuid}; }
NwfilterBinding to_wire(const BindingView& view) { return {view.device, view.definition->filter.filter}; }
FilterRef to_ref(const Nwfilter& filter) { return {filter.name, filter.uuid}; }

void serve_looking(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session) { return door.perform<&FilterOperations::list>(session.caller()); };
    on.on<Procedure::connect_num_of_nwfilters>([list](Session& session, const Nothing&) {
        return ConnectNumOfNwfiltersRet{static_cast<std::int32_t>(list(session).size())};
    });
    on.on<Procedure::connect_list_nwfilters>([list](Session& session, const ConnectListNwfiltersArgs& args) {
        const auto wanted = static_cast<std::size_t>(std::max(args.maxnames, 0));
        ConnectListNwfiltersRet ret;
        for (const auto& view : list(session))
            if (ret.names.size() < wanted) ret.names.push_back(view.name);
        return ret;
    });
    on.on<Procedure::connect_list_all_nwfilters>([list](Session& session, const ConnectListAllNwfiltersArgs& args) {
        no_flags(args.flags, "virConnectListAllNWFilters");
        ConnectListAllNwfiltersRet ret;
        for (const auto& view : list(session)) ret.filters.push_back(to_wire(view));
        ret.ret = static_cast<std::uint32_t>(ret.filters.size());
        if (!args.need_results) ret.filters.clear();
        return ret;
    });
    on.on<Procedure::nwfilter_lookup_by_name>([&](Session& session, const NwfilterLookupByNameArgs& args) {
        return NwfilterLookupByNameRet{
            to_wire(door.perform<&FilterOperations::lookup_by_name>(session.caller(), args.name))};
    });
    on.on<Procedure::nwfilter_lookup_by_uuid>([&](Session& session, const NwfilterLookupByUuidArgs& args) {
        return NwfilterLookupByUuidRet{
            to_wire(door.perform<&FilterOperations::lookup_by_uuid>(session.caller(), args.uuid))};
    });
    on.on<Procedure::nwfilter_get_xml_desc>([&](Session& session, const NwfilterGetXmlDescArgs& args) {
        no_flags(args.flags, "virNWFilterGetXMLDesc");
        return NwfilterGetXmlDescRet{door.perform<&FilterOperations::xml>(session.caller(), to_ref(args.nwfilter))};
    });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::nwfilter_define_xml>(
        [&](SessionPtr session, NwfilterDefineXmlArgs args) -> Task<NwfilterDefineXmlRet> {
            const Flags<FilterDefineFlag> none;
            const auto view =
                co_await door.perform<&FilterOperations::define>(session->caller(), std::move(args.xml), none);
            co_return NwfilterDefineXmlRet{to_wire(view)};
        });
    on.on<Procedure::nwfilter_define_xml_flags>(
        [&](SessionPtr session, NwfilterDefineXmlFlagsArgs args) -> Task<NwfilterDefineXmlFlagsRet> {
            const auto how = flags<FilterDefineFlag>(args.flags, "virNWFilterDefineXMLFlags");
            const auto view =
                co_await door.perform<&FilterOperations::define>(session->caller(), std::move(args.xml), how);
            co_return NwfilterDefineXmlFlagsRet{to_wire(view)};
        });
    on.on<Procedure::nwfilter_undefine>([&](SessionPtr session, NwfilterUndefineArgs args) -> Task<> {
        return door.perform<&FilterOperations::undefine>(session->caller(), to_ref(args.nwfilter));
    });
}

void serve_bindings(Dispatcher& on, Door& door) {
    on.on<Procedure::connect_list_all_nwfilter_bindings>(
        [&](Session& session, const ConnectListAllNwfilterBindingsArgs& args) {
            no_flags(args.flags, "virConnectListAllNWFilterBindings");
            ConnectListAllNwfilterBindingsRet ret;
            for (const auto& view : door.perform<&FilterBindingOperations::list>(session.caller()))
                ret.bindings.push_back(to_wire(view));
            ret.ret = static_cast<std::uint32_t>(ret.bindings.size());
            if (!args.need_results) ret.bindings.clear();
            return ret;
        });
    on.on<Procedure::nwfilter_binding_lookup_by_port_dev>(
        [&](Session& session, const NwfilterBindingLookupByPortDevArgs& args) {
            const FilterBindingRef ref{args.name};
            return NwfilterBindingLookupByPortDevRet{
                to_wire(door.perform<&FilterBindingOperations::lookup>(session.caller(), ref))};
        });
    on.on<Procedure::nwfilter_binding_get_xml_desc>([&](Session& session, const NwfilterBindingGetXmlDescArgs& args) {
        no_flags(args.flags, "virNWFilterBindingGetXMLDesc");
        const FilterBindingRef ref{args.nwfilter.portdev};
        return NwfilterBindingGetXmlDescRet{door.perform<&FilterBindingOperations::xml>(session.caller(), ref)};
    });
    on.on<Procedure::nwfilter_binding_create_xml>(
        [&](SessionPtr session, NwfilterBindingCreateXmlArgs args) -> Task<NwfilterBindingCreateXmlRet> {
            const auto how = flags<service::FilterBindingCreateFlag>(args.flags, "virNWFilterBindingCreateXML");
            const auto view =
                co_await door.perform<&FilterBindingOperations::create>(session->caller(), std::move(args.xml), how);
            co_return NwfilterBindingCreateXmlRet{to_wire(view)};
        });
    on.on<Procedure::nwfilter_binding_delete>([&](SessionPtr session, NwfilterBindingDeleteArgs args) -> Task<> {
        const FilterBindingRef ref{std::move(args.nwfilter.portdev)};
        return door.perform<&FilterBindingOperations::remove>(session->caller(), ref);
    });
    on.on<DomusProcedure::filter_explain>([&](Session& session, const DomusFilterExplainArgs& args) {
        const FilterBindingRef ref{args.name};
        DomusFilterExplainRet ret;
        for (auto& rule : door.perform<&FilterBindingOperations::explain>(session.caller(), ref)) {
            if (ret.rules.size() >= most_rules) break;
            ret.rules.push_back({std::move(rule.device), static_cast<std::int32_t>(rule.way), std::move(rule.text),
                                 std::move(rule.filter), std::move(rule.chain), rule.priority});
        }
        return ret;
    });
}

} // namespace

void serve_filters(Dispatcher& on, Door& door) {
    serve_looking(on, door);
    serve_changing(on, door);
    serve_bindings(on, door);
}

} // namespace domus::wire
