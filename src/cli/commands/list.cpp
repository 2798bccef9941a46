// Lists of domains, and their names in other forms.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <strings.h>

#include <algorithm>

namespace domus::cli {

namespace {

constexpr std::uint32_t list_active = 1, list_inactive = 2;
constexpr int metadata_title = 1;

struct FlagOption {
    std::string_view option;
    std::uint32_t flag;
};

std::uint32_t list_flags(const Arguments& args) {
    constexpr FlagOption filters[]{{"persistent", 4},          {"transient", 8},
                                   {"state-running", 16},      {"state-paused", 32},
                                   {"state-shutoff", 64},      {"state-other", 128},
                                   {"with-managed-save", 256}, {"without-managed-save", 512},
                                   {"autostart", 1024},        {"no-autostart", 2048},
                                   {"with-snapshot", 4096},    {"without-snapshot", 8192},
                                   {"with-checkpoint", 16384}, {"without-checkpoint", 32768}};
    std::uint32_t flags = list_active;
    if (args.flag("inactive")) flags = list_inactive;
    if (args.flag("all")) flags = list_active | list_inactive;
    for (const auto& [option, flag] : filters)
        if (args.flag(option)) flags |= flag;
    return flags;
}

/// Those that run by id, then the others by name.
void sort_domains(std::vector<wire::Domain>& domains) {
    std::ranges::sort(domains, [](const wire::Domain& a, const wire::Domain& b) {
        if ((a.id == no_id) != (b.id == no_id)) return b.id == no_id;
        if (a.id != no_id) return a.id < b.id;
        return strcasecmp(a.name.c_str(), b.name.c_str()) < 0;
    });
}

std::string id_text(const wire::Domain& domain) { return domain.id == no_id ? "-" : std::to_string(domain.id); }
boost::json::value id_json(const wire::Domain& domain) {
    return domain.id == no_id ? boost::json::value(nullptr) : boost::json::value(domain.id);
}

template <Procedure procedure>
auto for_each_domain(Call& call, const std::vector<wire::Domain>& domains, auto make_args) {
    std::vector<typename wire::Call<procedure>::Args> all;
    for (const auto& domain : domains) all.push_back(make_args(domain));
    return call.server().call_all<procedure>(all);
}

struct Listed {
    wire::Domain domain;
    int state = 0; ///< "no state" when it vanished meanwhile
    std::string title;
    bool saved = false;
};

/// Asks for all domains at once, not for one after the other.
std::vector<Listed> describe_domains(Call& call, const std::vector<wire::Domain>& domains, bool titles, bool saved) {
    std::vector<Listed> result;
    for (const auto& domain : domains) result.push_back({.domain = domain, .state = 0, .title = {}, .saved = false});
    const auto states = for_each_domain<Procedure::domain_get_state>(
        call, domains, [](const wire::Domain& domain) { return wire::DomainGetStateArgs{.dom = domain, .flags = 0}; });
    for (std::size_t i = 0; i < states.size(); ++i)
        if (const auto* state = std::get_if<wire::DomainGetStateRet>(&states[i])) result[i].state = state->state;
    if (titles) {
        const auto found =
            for_each_domain<Procedure::domain_get_metadata>(call, domains, [](const wire::Domain& domain) {
                return wire::DomainGetMetadataArgs{
                    .dom = domain, .type = metadata_title, .uri = std::nullopt, .flags = 0};
            });
        for (std::size_t i = 0; i < found.size(); ++i)
            if (const auto* title = std::get_if<wire::DomainGetMetadataRet>(&found[i]))
                result[i].title = title->metadata;
    }
    if (saved) {
        const auto found =
            for_each_domain<Procedure::domain_has_managed_save_image>(call, domains, [](const wire::Domain& domain) {
                return wire::DomainHasManagedSaveImageArgs{.dom = domain, .flags = 0};
            });
        for (std::size_t i = 0; i < found.size(); ++i)
            if (const auto* image = std::get_if<wire::DomainHasManagedSaveImageRet>(&found[i]))
                result[i].saved = image->result > 0;
    }
    return result;
}

void print_table(Call& call, const std::vector<wire::Domain>& domains) {
    const bool titles = call.args.flag("title");
    const bool saved = call.args.flag("managed-save");
    Table table{.columns = {{"Id", "id"}, {"Name", "name"}, {"State", "state"}}, .rows = {}};
    if (titles) table.columns.push_back({"Title", "title"});
    if (call.out.json()) table.columns.push_back({"", "uuid"});
    for (const auto& each : describe_domains(call, domains, titles, saved)) {
        const auto word =
            is_shut_off(each.state) && each.saved ? std::string_view("saved") : domain_state_word(each.state);
        std::vector<Cell> row{{id_text(each.domain), id_json(each.domain)},
                              each.domain.name,
                              {std::string(word), boost::json::value(word), domain_state_tone(each.state)}};
        if (titles) row.emplace_back(each.title);
        if (call.out.json()) row.emplace_back(each.domain.uuid.text());
        table.rows.push_back(std::move(row));
    }
    call.out.table(table);
}

void print_names(Call& call, const std::vector<wire::Domain>& domains) {
    boost::json::array all;
    for (const auto& domain : domains) {
        boost::json::object object;
        std::string line;
        const auto add = [&](std::string_view option, const std::string& text, boost::json::value value) {
            if (!call.args.flag(option)) return;
            line += (line.empty() ? "" : " ") + text;
            object[option] = std::move(value);
        };
        add("id", id_text(domain), id_json(domain));
        add("uuid", domain.uuid.text(), boost::json::value(domain.uuid.text()));
        add("name", domain.name, boost::json::value(domain.name));
        call.out.text("{}\n", line);
        all.push_back(std::move(object));
    }
    call.out.result(std::move(all));
}

void list(Call& call) {
    for (const auto other : {"uuid", "name", "id"}) call.args.exclusive("table", other);
    const bool names_only = call.args.flag("uuid") || call.args.flag("name") || call.args.flag("id");
    auto domains = doing("Failed to list domains", [&] {
        return call.server()
            .call<Procedure::connect_list_all_domains>({.need_results = 1, .flags = list_flags(call.args)})
            .domains;
    });
    sort_domains(domains);
    if (names_only)
        print_names(call, domains);
    else
        print_table(call, domains);
}

void domid(Call& call) {
    const auto domain = find_domain(call, "domain", by_name | by_uuid);
    call.out.value("id", {id_text(domain), id_json(domain)});
}

void domuuid(Call& call) {
    const auto domain = find_domain(call, "domain", by_name | by_id);
    call.out.value("uuid", domain.uuid.text());
}

void domname(Call& call) {
    const auto domain = find_domain(call, "domain", by_id | by_uuid);
    call.out.value("name", domain.name);
}

} // namespace

std::vector<Command> list_commands() {
    return {
        {.name = "list",
         .group = Group::monitor,
         .summary = "list domains",
         .about = "Lists running domains; --all lists inactive ones too.",
         .options = {flag("inactive", "list only inactive domains"),
                     flag("all", "list active and inactive domains"),
                     flag("transient", "list only transient domains"),
                     flag("persistent", "list only persistent domains"),
                     flag("with-snapshot", "list only domains with snapshots"),
                     flag("without-snapshot", "list only domains without snapshots"),
                     flag("with-checkpoint", "list only domains with checkpoints"),
                     flag("without-checkpoint", "list only domains without checkpoints"),
                     flag("state-running", "list only running domains"),
                     flag("state-paused", "list only paused domains"),
                     flag("state-shutoff", "list only domains that are shut off"),
                     flag("state-other", "list only domains in any other state"),
                     flag("autostart", "list only domains with autostart"),
                     flag("no-autostart", "list only domains without autostart"),
                     flag("with-managed-save", "list only domains with a managed save"),
                     flag("without-managed-save", "list only domains without a managed save"),
                     flag("uuid", "list UUIDs"),
                     flag("name", "list names"),
                     flag("id", "list IDs"),
                     flag("table", "list a table (default)"),
                     flag("managed-save", "show domains with a managed save as 'saved'"),
                     flag("title", "show titles too")},
         .run = list},
        {.name = "domid",
         .summary = "print the domain's ID",
         .options = {required(text("domain", "name or UUID of the domain", Complete::running_domain))},
         .run = domid},
        {.name = "domuuid",
         .summary = "print the domain's UUID",
         .options = {required(text("domain", "ID or name of the domain", Complete::domain))},
         .run = domuuid},
        {.name = "domname",
         .summary = "print the domain's name",
         .options = {required(text("domain", "ID or UUID of the domain"))},
         .run = domname},
    };
}

} // namespace domus::cli
