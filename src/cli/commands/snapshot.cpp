// Making snapshots, going back to them, removing them.
#include "cli/commands/snapshot.hpp"

#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t redefine = 1, as_current = 2, validate_document = 512, with_secrets = 1;

std::uint32_t create_flags(const Arguments& args) {
    constexpr std::pair<std::string_view, std::uint32_t> all[]{
        {"redefine", 1},        {"current", 2},  {"no-metadata", 4}, {"halt", 8},   {"disk-only", 16},
        {"reuse-external", 32}, {"quiesce", 64}, {"atomic", 128},    {"live", 256}, {"validate", 512}};
    std::uint32_t flags = 0;
    for (const auto& [name, value] : all)
        if (find_option(args.command(), name) && args.flag(name)) flags |= value;
    return flags;
}

std::string make(Call& call, const wire::Domain& domain, const std::string& xml, std::uint32_t flags) {
    return call.server()
        .call<Procedure::domain_snapshot_create_xml>({.dom = domain, .xml_desc = xml, .flags = flags})
        .snap.name;
}

void create(Call& call) {
    const auto domain = find_domain(call);
    const auto file = call.args.text("xmlfile");
    const auto xml = file ? read_file_option(call, "xmlfile") : std::string("<domainsnapshot/>");
    const auto name = make(call, domain, xml, create_flags(call.args));
    if (file)
        call.out.done({{"domain", domain.name}, {"snapshot", name}}, "Domain snapshot {} created from '{}'", name,
                      *file);
    else
        call.out.done({{"domain", domain.name}, {"snapshot", name}}, "Domain snapshot {} created", name);
}

std::string escaped(std::string_view text) {
    std::string out;
    format::escape(text, out);
    return out;
}

/// Words with commas between them; two commas are one that belongs to a word.
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',')
            words.back() += text[i];
        else if (i + 1 < text.size() && text[i + 1] == ',')
            words.back() += text[++i];
        else
            words.emplace_back();
    }
    return words;
}

/// "name,snapshot=external,driver=qcow2" as the attributes of an element.
std::map<std::string, std::string> read_spec(std::string_view spec, std::string_view first, std::string_view what) {
    std::map<std::string, std::string> result;
    for (const auto& word : split(spec)) {
        const auto equals = word.find('=');
        if (equals == std::string::npos && result.empty())
            result.emplace(first, word);
        else if (equals == std::string::npos)
            fail("unable to parse {}: {}", what, spec);
        else
            result[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return result;
}

std::string disk_xml(std::string_view spec) {
    auto words = read_spec(spec, "name", "diskspec");
    std::string out = fmt::format("    <disk name='{}'", escaped(words["name"]));
    if (words.contains("snapshot")) out += fmt::format(" snapshot='{}'", escaped(words["snapshot"]));
    if (words.contains("stype")) out += fmt::format(" type='{}'", escaped(words["stype"]));
    if (!words.contains("driver") && !words.contains("file")) return out + "/>\n";
    out += ">\n";
    if (words.contains("driver")) out += fmt::format("      <driver type='{}'/>\n", escaped(words["driver"]));
    const std::string_view place = words["stype"] == "block" ? "dev" : "file";
    if (words.contains("file")) out += fmt::format("      <source {}='{}'/>\n", place, escaped(words["file"]));
    return out + "    </disk>\n";
}

std::string described(const Arguments& args) {
    std::string xml = "<domainsnapshot>\n";
    if (const auto name = args.text("name")) xml += fmt::format("  <name>{}</name>\n", escaped(*name));
    if (const auto words = args.text("description"))
        xml += fmt::format("  <description>{}</description>\n", escaped(*words));
    if (const auto memory = args.text("memspec")) {
        auto words = read_spec(*memory, "file", "memspec");
        xml += "  <memory";
        if (words.contains("snapshot")) xml += fmt::format(" snapshot='{}'", escaped(words["snapshot"]));
        if (words.contains("file")) xml += fmt::format(" file='{}'", escaped(words["file"]));
        xml += "/>\n";
    }
    if (const auto disks = args.list("diskspec"); !disks.empty()) {
        xml += "  <disks>\n";
        for (const auto& disk : disks) xml += disk_xml(disk);
        xml += "  </disks>\n";
    }
    return xml + "</domainsnapshot>\n";
}

void create_as(Call& call) {
    const auto domain = find_domain(call);
    const auto xml = described(call.args);
    if (call.args.flag("print-xml")) {
        call.out.text("{}\n", xml);
        return call.out.result(boost::json::object{{"xml", xml}});
    }
    const auto name = make(call, domain, xml, create_flags(call.args));
    call.out.done({{"domain", domain.name}, {"snapshot", name}}, "Domain snapshot {} created", name);
}

void revert(Call& call) {
    constexpr std::uint32_t running = 1, paused = 2, force = 4;
    const auto domain = find_domain(call);
    const auto snapshot = find_snapshot(call, domain);
    std::uint32_t flags = 0;
    if (call.args.flag("running")) flags |= running;
    if (call.args.flag("paused")) flags |= paused;
    if (call.args.flag("force")) flags |= force;
    doing(fmt::format("Failed to revert snapshot {}", snapshot.name),
          [&] { call.server().call<Procedure::domain_revert_to_snapshot>({.snap = snapshot, .flags = flags}); });
    call.out.done({{"domain", domain.name}, {"snapshot", snapshot.name}}, "Domain snapshot {} reverted", snapshot.name);
}

void remove(Call& call) {
    constexpr std::uint32_t children = 1, metadata_only = 2, children_only = 4;
    const auto domain = find_domain(call);
    const auto snapshot = find_snapshot(call, domain);
    std::uint32_t flags = 0;
    if (call.args.flag("children")) flags |= children;
    if (call.args.flag("children-only")) flags |= children_only;
    if (call.args.flag("metadata")) flags |= metadata_only;
    doing(fmt::format("Failed to delete snapshot {}", snapshot.name),
          [&] { call.server().call<Procedure::domain_snapshot_delete>({.snap = snapshot, .flags = flags}); });
    call.out.done({{"domain", domain.name}, {"snapshot", snapshot.name}}, "Domain snapshot {} {}", snapshot.name,
                  (flags & children_only) ? "children deleted" : "deleted");
}

void current(Call& call) {
    const auto domain = find_domain(call);
    auto& server = call.server();
    if (const auto name = call.args.text("snapshotname")) {
        const auto snapshot =
            server.call<Procedure::domain_snapshot_lookup_by_name>({.dom = domain, .name = *name, .flags = 0}).snap;
        (void)make(call, domain, snapshot_xml(call, snapshot, with_secrets), redefine | as_current);
        return call.out.done({{"domain", domain.name}, {"snapshot", *name}}, "Snapshot {} set as current", *name);
    }
    if (!server.call<Procedure::domain_has_current_snapshot>({.dom = domain, .flags = 0}).result)
        fail("domain '{}' has no current snapshot", domain.name);
    const auto snapshot = server.call<Procedure::domain_snapshot_current>({.dom = domain, .flags = 0}).snap;
    if (call.args.flag("name")) {
        call.out.text("{}", snapshot.name); // without a line's end, as virsh does
        return call.out.result(boost::json::object{{"snapshot", snapshot.name}});
    }
    call.out.document(snapshot_xml(call, snapshot, call.args.flag("security-info") ? with_secrets : 0));
}

void edit(Call& call) {
    const auto domain = find_domain(call);
    const auto snapshot = find_snapshot(call, domain);
    const bool was_current =
        call.server().call<Procedure::domain_snapshot_is_current>({.snap = snapshot, .flags = 0}).current;
    const std::uint32_t flags = redefine | (was_current || call.args.flag("current") ? as_current : 0);
    const auto store = [&](const std::string& xml, bool validate) {
        if (parse_xml(xml).child("domainsnapshot").child_value("name") != snapshot.name)
            fail("the name of a snapshot stays as it is");
        (void)make(call, domain, xml, flags | (validate ? validate_document : 0));
    };
    const bool changed =
        edit_object({.fetch = [&] { return snapshot_xml(call, snapshot, with_secrets); }, .store = store});
    if (changed)
        call.out.done({{"snapshot", snapshot.name}, {"changed", true}}, "Snapshot {} edited.", snapshot.name);
    else
        call.out.done({{"snapshot", snapshot.name}, {"changed", false}}, "Snapshot {} XML configuration not changed.",
                      snapshot.name);
}

void add_create_flags(std::vector<Option>& options) {
    for (auto& option :
         {flag("no-metadata", "create no metadata"), flag("halt", "stop the domain afterwards"),
          flag("disk-only", "save disks without memory"), flag("reuse-external", "use existing files"),
          flag("quiesce", "freeze the guest's file systems through its agent"), flag("atomic", "create all or nothing"),
          flag("live", "take the snapshot while the guest runs"),
          flag("validate", "validate the XML against the schema")})
        options.push_back(option);
}

std::vector<Option> create_options() {
    std::vector<Option> options{the_domain(), text("xmlfile", "file with the snapshot's XML", Complete::file),
                                flag("redefine", "redefine the metadata of an existing snapshot"),
                                flag("current", "with --redefine: make it the current snapshot")};
    add_create_flags(options);
    return options;
}

std::vector<Option> create_as_options() {
    std::vector<Option> options{the_domain(), text("name", "name of the snapshot; the time by default"),
                                text("description", "description of the snapshot"),
                                flag("print-xml", "print the XML and create nothing")};
    add_create_flags(options);
    options.push_back(named(text("memspec", "[file=]name[,snapshot=type]")));
    options.push_back(rest("diskspec", "disk[,snapshot=type][,driver=type][,stype=type][,file=name]"));
    return options;
}

} // namespace

std::vector<Command> snapshot_commands() {
    std::vector<Command> all{
        {.name = "snapshot-create",
         .summary = "create a snapshot from an XML file",
         .options = create_options(),
         .run = create},
        {.name = "snapshot-create-as",
         .summary = "create a snapshot from options",
         .about = "Stores memory and disks inside the domain's qcow2 images. A running guest is paused meanwhile.",
         .options = create_as_options(),
         .run = create_as},
        {.name = "snapshot-revert",
         .summary = "revert a domain to a snapshot",
         .about = "What the guest has done since is lost, unless another snapshot has it.",
         .options = {the_domain(), snapshot_name(), flag("current", "use the current snapshot"),
                     flag("running", "run the domain afterwards"), flag("paused", "leave the domain paused afterwards"),
                     flag("force", "revert even if the domain must be stopped")},
         .run = revert},
        {.name = "snapshot-delete",
         .summary = "delete a snapshot",
         .options = {the_domain(), snapshot_name(), flag("current", "use the current snapshot"),
                     flag("children", "delete its descendants too"),
                     flag("children-only", "delete only its descendants"),
                     flag("metadata", "delete only the metadata")},
         .run = remove},
        {.name = "snapshot-current",
         .summary = "show or set a domain's current snapshot",
         .options = {the_domain(), flag("name", "print only the name"), flag("security-info", "include passwords"),
                     snapshot_name()},
         .run = current},
        {.name = "snapshot-edit",
         .summary = "edit a snapshot's XML",
         .options = {the_domain(), snapshot_name(), flag("current", "use the current snapshot")},
         .run = edit},
    };
    for (auto& command : snapshot_reading_commands()) all.push_back(std::move(command));
    for (auto& command : all) command.group = Group::snapshot;
    return all;
}

} // namespace domus::cli
