// Network filters and their bindings.
#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t validate_document = 1; // of virNWFilterDefineFlags and virNWFilterBindingCreateFlags
using DomusProcedure = wire::DomusProcedure;

void nwfilter_list(Call& call) {
    auto filters = doing("Failed to list network filters", [&] {
        return call.server().call<Procedure::connect_list_all_nwfilters>({.need_results = 1, .flags = 0}).filters;
    });
    std::ranges::sort(filters, {}, &wire::Nwfilter::name);
    Table table{.columns = {{"UUID", "uuid"}, {"Name", "name"}}, .rows = {}};
    for (const auto& filter : filters) table.rows.push_back({filter.uuid.text(), filter.name});
    call.out.table(table);
}

/// Only with flags, so that older daemons can be asked too.
wire::Nwfilter define_xml(Call& call, const std::string& xml, bool validate) {
    if (validate)
        return call.server()
            .call<Procedure::nwfilter_define_xml_flags>({.xml = xml, .flags = validate_document})
            .nwfilter;
    return call.server().call<Procedure::nwfilter_define_xml>({.xml = xml}).nwfilter;
}

void nwfilter_define(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto filter = doing(fmt::format("Failed to define network filter from {}", file),
                              [&] { return define_xml(call, xml, call.args.flag("validate")); });
    call.out.done({{"nwfilter", filter.name}, {"file", file}}, "Network filter {} defined from {}", filter.name, file);
}

void nwfilter_undefine(Call& call) {
    const auto filter = find_nwfilter(call);
    doing(fmt::format("Failed to undefine network filter {}", filter.name),
          [&] { call.server().call<Procedure::nwfilter_undefine>({.nwfilter = filter}); });
    call.out.done({{"nwfilter", filter.name}}, "Network filter {} undefined", filter.name);
}

std::string xml_of(Call& call, const wire::Nwfilter& filter) {
    return doing("Failed to get the network filter's XML", [&] {
        return call.server().call<Procedure::nwfilter_get_xml_desc>({.nwfilter = filter, .flags = 0}).xml;
    });
}

void nwfilter_dumpxml(Call& call) { print_xml(call, xml_of(call, find_nwfilter(call))); }

void nwfilter_edit(Call& call) {
    const auto filter = find_nwfilter(call);
    const bool changed =
        edit_object({.fetch = [&] { return xml_of(call, filter); },
                     .store = [&](const std::string& xml, bool validate) { define_xml(call, xml, validate); }});
    call.out.done({{"nwfilter", filter.name}}, "Network filter {} XML configuration {}.", filter.name,
                  changed ? "edited" : "not changed");
}

// ---- bindings -------------------------------------------------------------------------------------------------------

wire::NwfilterBinding find_binding(Call& call) {
    const auto device = call.args.required("binding");
    return doing(fmt::format("failed to get nwfilter binding '{}'", device), [&] {
        return call.server().call<Procedure::nwfilter_binding_lookup_by_port_dev>({.name = device}).nwfilter;
    });
}

void binding_list(Call& call) {
    auto bindings = doing("Failed to list network filter bindings", [&] {
        return call.server()
            .call<Procedure::connect_list_all_nwfilter_bindings>({.need_results = 1, .flags = 0})
            .bindings;
    });
    std::ranges::sort(bindings, {}, &wire::NwfilterBinding::portdev);
    Table table{.columns = {{"Port Dev", "portdev"}, {"Filter", "filter"}}, .rows = {}};
    for (const auto& binding : bindings) table.rows.push_back({binding.portdev, binding.filtername});
    call.out.table(table);
}

void binding_dumpxml(Call& call) {
    const auto binding = find_binding(call);
    print_xml(
        call, doing("Failed to get the network filter binding's XML", [&] {
            return call.server().call<Procedure::nwfilter_binding_get_xml_desc>({.nwfilter = binding, .flags = 0}).xml;
        }));
}

void binding_create(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto binding = doing(fmt::format("Failed to create network filter from {}", file), [&] {
        return call.server()
            .call<Procedure::nwfilter_binding_create_xml>(
                {.xml = xml, .flags = call.args.flag("validate") ? validate_document : 0})
            .nwfilter;
    });
    call.out.done({{"portdev", binding.portdev}, {"file", file}}, "Network filter binding on {} created from {}",
                  binding.portdev, file);
}

void binding_delete(Call& call) {
    const auto binding = find_binding(call);
    doing(fmt::format("Failed to delete network filter binding on {}", binding.portdev),
          [&] { call.server().call<Procedure::nwfilter_binding_delete>({.nwfilter = binding}); });
    call.out.done({{"portdev", binding.portdev}}, "Network filter binding on {} deleted", binding.portdev);
}

void explain(Call& call) {
    const auto name = call.args.required("domain");
    const auto rules = doing(fmt::format("Failed to explain the filters of '{}'", name),
                             [&] { return call.server().call<DomusProcedure::filter_explain>({.name = name}).rules; });
    boost::json::array all;
    std::string device;
    std::int32_t way = -1;
    constexpr std::int32_t from_guest = 0;
    for (const auto& rule : rules) {
        const bool from = rule.way == from_guest;
        if (rule.device != device || rule.way != way)
            call.out.text("{}{}, {}:\n", device.empty() ? "" : "\n", rule.device,
                          from ? "what the guest sends" : "what the guest gets");
        device = rule.device;
        way = rule.way;
        call.out.text("  {} ({}, chain {}, priority {})\n", rule.text, rule.filter, rule.chain, rule.priority);
        all.push_back({{"device", rule.device},
                       {"way", from ? "from-guest" : "to-guest"},
                       {"text", rule.text},
                       {"filter", rule.filter},
                       {"chain", rule.chain},
                       {"priority", rule.priority}});
    }
    call.out.result(std::move(all));
}

Option the_filter() { return required(text("nwfilter", "name or UUID of the network filter", Complete::filter)); }
Option the_binding() {
    return required(text("binding", "network device that has the filter", Complete::filter_binding));
}

std::vector<Option> with_xpath(Option first) {
    return {std::move(first), named(text("xpath", "print only what this XPath expression finds")),
            flag("wrap", "wrap the results in one element")};
}

} // namespace

std::vector<Command> nwfilter_commands() {
    const auto validate = flag("validate", "validate the XML against the schema");
    std::vector<Command> all{
        {.name = "nwfilter-list", .summary = "list network filters", .run = nwfilter_list},
        {.name = "nwfilter-define",
         .summary = "define or change a network filter from an XML file",
         .about =
             "Ports that use the filter get the new rules in one step: no packet meets neither the old nor the new. "
             "To change a filter, its <uuid> must be in the XML.",
         .options = {required(text("file", "file with the filter's XML", Complete::file)), validate},
         .run = nwfilter_define},
        {.name = "nwfilter-undefine",
         .summary = "remove a network filter",
         .about = "Refused while a port or another filter uses it.",
         .options = {the_filter()},
         .run = nwfilter_undefine},
        {.name = "nwfilter-dumpxml",
         .summary = "print a network filter's XML",
         .options = with_xpath(the_filter()),
         .run = nwfilter_dumpxml},
        {.name = "nwfilter-edit",
         .summary = "edit a network filter's XML",
         .options = {the_filter()},
         .run = nwfilter_edit},
        {.name = "nwfilter-binding-list",
         .summary = "list the network devices that have a filter",
         .run = binding_list},
        {.name = "nwfilter-binding-dumpxml",
         .summary = "print the XML of a network device's filter",
         .options = with_xpath(the_binding()),
         .run = binding_dumpxml},
        {.name = "nwfilter-binding-create",
         .summary = "create a network filter binding from an XML file",
         .about = "The device is a port of a bridge. Domains with a <filterref> need no such command.",
         .options = {required(text("file", "file with the binding's XML", Complete::file)), validate},
         .run = binding_create},
        {.name = "nwfilter-binding-delete",
         .summary = "delete a network filter binding",
         .options = {the_binding()},
         .run = binding_delete},
        {.name = "filter-explain",
         .summary = "print the rules of a guest's filters in words",
         .about = "In the order in which packets are judged, with the filter in which each rule stands. What no rule "
                  "drops passes.",
         .options = {required(
             text("domain", "name or UUID of the domain, or its network device", Complete::filter_binding))},
         .run = explain},
    };
    for (auto& command : all) command.group = Group::filter;
    return all;
}

} // namespace domus::cli
