// Making pools: from XML, from options, from a folder, and finding what pools could be made of.
#include "cli/commands/pool.hpp"
#include "cli/commands/storage.hpp"
#include "model/pool_types.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace domus::cli {

namespace {

constexpr std::string_view form_hint = "'domus pool-define-as NAME TYPE --print-xml' shows the form of such a document";

wire::StoragePool define_xml(Call& call, const std::string& xml, std::uint32_t flags) {
    return call.server().call<Procedure::storage_pool_define_xml>({.xml = xml, .flags = flags}).pool;
}

wire::StoragePool create_xml(Call& call, const std::string& xml, std::uint32_t flags) {
    return call.server().call<Procedure::storage_pool_create_xml>({.xml = xml, .flags = flags}).pool;
}

boost::json::object made(const wire::StoragePool& pool) { return {{"pool", pool.name}, {"uuid", pool.uuid.text()}}; }

// -- from XML --

void define(Call& call) {
    constexpr std::uint32_t validate = 1;
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto pool = doing_in_pool(fmt::format("Failed to define pool from {}", file), {}, std::string(form_hint),
                                    [&] { return define_xml(call, xml, call.args.flag("validate") ? validate : 0); });
    call.out.done(made(pool), "Pool {} defined from {}", pool.name, file);
}

void create(Call& call) {
    const auto flags = pool_build_at_start(call.args);
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto pool = doing_in_pool(fmt::format("Failed to create pool from {}", file), {}, std::string(form_hint),
                                    [&] { return create_xml(call, xml, flags); });
    call.out.done(made(pool), "Pool {} created from {}", pool.name, file);
}

// -- from options --

bool only_printed(Call& call, const std::string& xml) {
    if (call.args.flag("print-xml")) call.out.document(xml);
    return call.args.flag("print-xml");
}

void define_as(Call& call) {
    const auto name = call.args.required("name");
    const auto xml = pool_xml(call.args);
    if (only_printed(call, xml)) return;
    const auto pool = doing_in_pool(fmt::format("Failed to define pool {}", name), name, std::string(form_hint),
                                    [&] { return define_xml(call, xml, 0); });
    call.out.done(made(pool), "Pool {} defined", pool.name);
}

void create_as(Call& call) {
    const auto flags = pool_build_at_start(call.args);
    const auto name = call.args.required("name");
    const auto xml = pool_xml(call.args);
    if (only_printed(call, xml)) return;
    const auto pool = doing_in_pool(fmt::format("Failed to create pool {}", name), name, std::string(form_hint),
                                    [&] { return create_xml(call, xml, flags); });
    call.out.done(made(pool), "Pool {} created", pool.name);
}

// -- from a folder --

/// Takes back what was done when the rest of it failed; the folder stays, since it may have been there before.
void forget(Call& call, const wire::StoragePool& pool, bool started) {
    try {
        if (started) call.server().call<Procedure::storage_pool_destroy>({.pool = pool});
        call.server().call<Procedure::storage_pool_undefine>({.pool = pool});
    } catch (const Error&) {
        // what failed first is told
    }
}

bool pool_exists(Call& call, const std::string& name) {
    try {
        call.server().call<Procedure::storage_pool_lookup_by_name>({.name = name});
        return true;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_storage_pool) throw;
        return false;
    }
}

void create_from_folder(Call& call) {
    const auto name = call.args.required("name");
    const auto folder = std::filesystem::absolute(call.args.required("folder")).lexically_normal().string();
    const auto xml = fmt::format("<pool type='{}'><name>{}</name><target><path>{}</path></target></pool>",
                                 model::folder_pool_type, xml_escaped(name), xml_escaped(folder));
    auto& server = call.server();
    const auto what = fmt::format("Failed to make pool {} of {}", name, folder);
    const std::string hint = "'domus pool-list --all' shows the pools that are there";
    if (pool_exists(call, name))
        throw Failure(fmt::format("Pool {} is there already", name))
            .hint(fmt::format("'domus pool-info {}' tells about it", name));
    const auto pool = doing_in_pool(what, name, hint, [&] { return define_xml(call, xml, 0); });
    bool started = false;
    try {
        doing_in_pool(what, name, hint, [&] {
            server.call<Procedure::storage_pool_build>({.pool = pool, .flags = 0});
            server.call<Procedure::storage_pool_create>({.pool = pool, .flags = 0});
            started = true;
            server.call<Procedure::storage_pool_set_autostart>({.pool = pool, .autostart = 1});
        });
    } catch (const Failure&) {
        forget(call, pool, started);
        throw;
    }
    auto result = made(pool);
    result["folder"] = folder;
    call.out.done(std::move(result), "Pool {} of {} runs, and starts with the host", pool.name, folder);
}

void pool(Call& call) {
    const auto action = call.args.required("action");
    if (action != "create")
        throw Failure(fmt::format("'pool {}' is not known", action))
            .hint("'domus pool create NAME FOLDER' makes a pool; the others are pool-list, pool-info, pool-start ...");
    create_from_folder(call);
}

// -- what there could be --

void find_sources(Call& call, const std::optional<std::string>& source) {
    const auto type = call.args.required("type");
    const auto found = doing_in_pool(fmt::format("Failed to find any {} pool sources", type), {},
                                     "not every type of pool can look for sources; those on servers need --host, "
                                     "some of them --initiator too",
                                     [&] {
                                         return call.server()
                                             .call<Procedure::connect_find_storage_pool_sources>(
                                                 {.type = type, .src_spec = source, .flags = 0})
                                             .xml;
                                     });
    call.out.document(found);
}

void find_sources_of_file(Call& call) {
    find_sources(call, call.args.given("srcSpec") ? std::optional(read_file_option(call, "srcSpec")) : std::nullopt);
}

void find_sources_as(Call& call) {
    const auto host = call.args.text("host");
    if (!host) return find_sources(call, std::nullopt);
    auto xml = fmt::format("<source>\n  <host name='{}'", xml_escaped(*host));
    if (const auto port = call.args.text("port")) xml += fmt::format(" port='{}'", xml_escaped(*port));
    xml += "/>\n";
    if (const auto initiator = call.args.text("initiator"))
        xml += fmt::format("  <initiator>\n    <iqn name='{}'/>\n  </initiator>\n", xml_escaped(*initiator));
    find_sources(call, xml + "</source>\n");
}

// -- the table --

/// The types that Domus has, with "|" between them.
std::string_view type_words() {
    static const std::string all = [] {
        std::string words;
        for (const auto type : model::pool_types)
            if (std::ranges::find(model::foreign_pool_types, type) == model::foreign_pool_types.end())
                words.append(words.empty() ? "" : "|").append(type);
        return words;
    }();
    return all;
}

Option type_option() { return required(one_of("type", type_words(), "type of the pool")); }

std::vector<Option> describing_options() {
    return {required(text("name", "name of the pool")),
            type_option(),
            flag("print-xml", "print the XML and create nothing"),
            text("source-host", "host that has the storage"),
            text("source-path", "path of the storage on its host"),
            text("source-dev", "device of the storage", Complete::file),
            text("source-name", "name of the storage, for example of a volume group"),
            text("target", "folder where the volumes appear", Complete::folder),
            text("source-format", "format of the storage"),
            text("auth-type", "authentication type: chap or ceph"),
            text("auth-username", "user name for authentication"),
            text("secret-usage", "usage of the secret with the password"),
            text("secret-uuid", "UUID of the secret with the password"),
            text("adapter-name", "adapter of the host"),
            text("adapter-wwnn", "WWNN of a vHBA"),
            text("adapter-wwpn", "WWPN of a vHBA"),
            text("adapter-parent", "parent adapter of a vHBA"),
            text("adapter-parent-wwnn", "WWNN of the parent adapter"),
            text("adapter-parent-wwpn", "WWPN of the parent adapter"),
            text("adapter-parent-fabric-wwn", "fabric WWN of the parent adapter"),
            text("source-protocol-ver", "NFS version"),
            text("source-initiator", "iSCSI initiator name")};
}

std::vector<Option> with_build(std::vector<Option> options) {
    for (auto& option : pool_build_options()) options.push_back(option);
    return options;
}

std::vector<Command> xml_commands() {
    const auto file = required(text("file", "file with the pool's XML", Complete::file));
    return {
        {.name = "pool-define",
         .summary = "define a pool from an XML file without starting it",
         .about = "Creates a persistent pool, or changes the definition of one.",
         .options = {file, flag("validate", "validate the XML against the schema")},
         .run = define},
        {.name = "pool-create",
         .summary = "create a transient pool from an XML file",
         .about = "The definition is gone once the pool stops; its contents are kept.",
         .options = with_build({file}),
         .run = create},
        {.name = "pool-define-as",
         .summary = "define a pool from options without starting it",
         .about = "Like pool-define, with the XML made from the options.",
         .options = describing_options(),
         .run = define_as},
        {.name = "pool-create-as",
         .summary = "create a transient pool from options",
         .about = "Like pool-create, with the XML made from the options.",
         .options = with_build(describing_options()),
         .run = create_as},
    };
}

std::vector<Command> other_commands() {
    return {
        {.name = "pool",
         .summary = "create a pool for a folder in one step",
         .about = "'pool create NAME FOLDER' creates the folder if it is missing, defines a pool for it, starts the "
                  "pool and marks it for autostart.",
         .options = {required(one_of("action", "create", "action")), required(text("name", "name of the new pool")),
                     required(text("folder", "folder of the volumes", Complete::folder))},
         .run = pool},
        {.name = "find-storage-pool-sources",
         .summary = "find storage that pools can use",
         .about = "Prints an XML document with the exports, targets or volume groups that exist.",
         .options = {type_option(), text("srcSpec", "file with a <source> element", Complete::file)},
         .run = find_sources_of_file},
        {.name = "find-storage-pool-sources-as",
         .summary = "find storage that pools can use on a host",
         .about = "Like find-storage-pool-sources, with the host given by options.",
         .options = {type_option(), text("host", "host to ask"), text("port", "port of the host"),
                     text("initiator", "iSCSI initiator name")},
         .run = find_sources_as},
    };
}

} // namespace

std::uint32_t pool_build_at_start(const Arguments& args) {
    constexpr std::uint32_t build = 1, overwrite = 2, no_overwrite = 4;
    args.exclusive("overwrite", "no-overwrite");
    return (args.flag("build") ? build : 0) | (args.flag("overwrite") ? overwrite : 0)
           | (args.flag("no-overwrite") ? no_overwrite : 0);
}

std::vector<Option> pool_build_options() {
    return {flag("build", "build the storage first"), flag("no-overwrite", "fail if there is any data already"),
            flag("overwrite", "overwrite any data that is there")};
}

std::vector<Command> pool_defining_commands() {
    auto all = xml_commands();
    for (auto& command : other_commands()) all.push_back(std::move(command));
    return all;
}

} // namespace domus::cli
