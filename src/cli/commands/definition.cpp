// Definitions of domains: making, showing, editing, removing them.
#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

#include <set>

namespace domus::cli {

namespace {

constexpr std::uint32_t xml_secure = 1, xml_inactive = 2, xml_update_cpu = 4, xml_migratable = 8;
constexpr std::uint32_t define_validate = 1;

wire::Domain define_xml(Call& call, const std::string& xml, std::uint32_t flags) {
    if (flags == 0) return call.server().call<Procedure::domain_define_xml>({.xml = xml}).dom;
    return call.server().call<Procedure::domain_define_xml_flags>({.xml = xml, .flags = flags}).dom;
}

void define(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto domain = doing(fmt::format("Failed to define domain from {}", file),
                              [&] { return define_xml(call, xml, call.args.flag("validate") ? define_validate : 0); });
    call.out.done({{"domain", domain.name}, {"uuid", domain.uuid.text()}, {"file", file}},
                  "Domain '{}' defined from {}", domain.name, file);
}

void dumpxml(Call& call) {
    std::uint32_t flags = 0;
    if (call.args.flag("security-info")) flags |= xml_secure;
    if (call.args.flag("inactive")) flags |= xml_inactive;
    if (call.args.flag("update-cpu")) flags |= xml_update_cpu;
    if (call.args.flag("migratable")) flags |= xml_migratable;
    const auto domain = find_domain(call);
    print_xml(call, domain_xml(call, domain, flags));
}

void edit(Call& call) {
    const auto domain = find_domain(call);
    const auto changed = edit_object({
        .fetch =
            [&] {
                std::uint32_t flags = xml_secure;
                if (call.server().call<Procedure::domain_is_persistent>({.dom = domain}).persistent != 0)
                    flags |= xml_inactive;
                return domain_xml(call, domain, flags);
            },
        .store = [&](const std::string& xml, bool validate) { define_xml(call, xml, validate ? define_validate : 0); },
        .validate = !call.args.flag("skip-validate"),
    });
    call.out.done({{"domain", domain.name}, {"changed", changed}}, "Domain '{}' XML configuration {}.", domain.name,
                  changed ? "edited" : "not changed");
}

void domrename(Call& call) {
    const auto domain = find_domain(call, "domain", by_name | by_uuid);
    const auto name = call.args.required("new-name");
    call.server().call<Procedure::domain_rename>({.dom = domain, .new_name = name, .flags = 0});
    call.out.done({{"domain", name}, {"old_name", domain.name}}, "Domain successfully renamed");
}

constexpr std::uint32_t undefine_managed_save = 1, undefine_snapshots = 2, undefine_nvram = 4, undefine_keep_nvram = 8,
                        undefine_checkpoints = 16, undefine_tpm = 32, undefine_keep_tpm = 64;

std::uint32_t undefine_flags(const Arguments& args) {
    args.exclusive("nvram", "keep-nvram");
    args.exclusive("tpm", "keep-tpm");
    std::uint32_t flags = 0;
    if (args.flag("managed-save")) flags |= undefine_managed_save;
    if (args.flag("snapshots-metadata")) flags |= undefine_snapshots;
    if (args.flag("checkpoints-metadata")) flags |= undefine_checkpoints;
    if (args.flag("nvram")) flags |= undefine_nvram;
    if (args.flag("keep-nvram")) flags |= undefine_keep_nvram;
    if (args.flag("tpm")) flags |= undefine_tpm;
    if (args.flag("keep-tpm")) flags |= undefine_keep_tpm;
    return flags;
}

/// A disk of the domain that undefine shall remove, and its volume.
struct Storage {
    std::string target;
    std::string source;
    wire::StorageVol volume;
};

std::set<std::string, std::less<>> split_commas(std::string_view text) {
    std::set<std::string, std::less<>> pieces;
    while (!text.empty()) {
        const auto comma = text.find(',');
        if (const auto piece = text.substr(0, comma); !piece.empty()) pieces.emplace(piece);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return pieces;
}

std::vector<Storage> storage_to_remove(Call& call, const wire::Domain& domain) {
    const bool all = call.args.flag("remove-all-storage");
    auto wanted = split_commas(call.args.text("storage").value_or(""));
    std::vector<Storage> found;
    if (!all && wanted.empty()) return found;
    const auto document = parse_xml(domain_xml(call, domain, xml_inactive));
    for (const auto& each : document.select_nodes("/domain/devices/disk")) {
        const auto disk = each.node();
        const auto source = disk.child("source");
        Storage storage{.target = disk.child("target").attribute("dev").value(), .source = {}, .volume = {}};
        for (const char* name : {"file", "dev", "volume"})
            if (storage.source.empty()) storage.source = source.attribute(name).value();
        if (storage.source.empty()) continue;
        const bool named = wanted.erase(storage.target) + wanted.erase(storage.source) > 0;
        if (!all && !named) continue;
        try {
            storage.volume = call.server().call<Procedure::storage_vol_lookup_by_path>({.path = storage.source}).vol;
        } catch (const Error&) {
            call.out.extra("Storage volume '{}'({}) is not managed by libvirt. Remove it manually.\n", storage.target,
                           storage.source);
            continue;
        }
        found.push_back(std::move(storage));
    }
    if (!wanted.empty())
        fail("Volume '{}' was not found in domain's definition.\nDomain undefined was not performed", *wanted.begin());
    return found;
}

void remove_storage(Call& call, const Storage& storage) {
    constexpr std::uint32_t delete_with_snapshots = 2;
    if (call.args.flag("wipe-storage")) {
        call.out.extra("Wiping volume '{}'({}) ... ", storage.target, storage.source);
        doing(fmt::format("Failed to wipe volume '{}'({})", storage.target, storage.source),
              [&] { call.server().call<Procedure::storage_vol_wipe>({.vol = storage.volume, .flags = 0}); });
        call.out.extra("Done.\n");
    }
    const std::uint32_t flags = call.args.flag("delete-storage-volume-snapshots") ? delete_with_snapshots : 0;
    doing(fmt::format("Failed to remove storage volume '{}'({})", storage.target, storage.source),
          [&] { call.server().call<Procedure::storage_vol_delete>({.vol = storage.volume, .flags = flags}); });
    call.out.extra("Volume '{}'({}) removed.\n", storage.target, storage.source);
}

void undefine(Call& call) {
    const auto flags = undefine_flags(call.args);
    call.args.exclusive("storage", "remove-all-storage");
    const auto domain = find_domain(call);
    auto& server = call.server();
    const bool active = server.call<Procedure::domain_is_active>({.dom = domain}).active > 0;
    const bool saved = server.call<Procedure::domain_has_managed_save_image>({.dom = domain, .flags = 0}).result > 0;
    if (saved && !(flags & undefine_managed_save)) fail("Refusing to undefine while domain managed save image exists");
    if (active && (call.args.given("storage") || call.args.flag("remove-all-storage")))
        fail("Storage volume deletion is supported only on stopped domains");
    const auto storage = storage_to_remove(call, domain);

    doing(fmt::format("Failed to undefine domain '{}'", domain.name), [&] {
        if (flags == 0)
            server.call<Procedure::domain_undefine>({.dom = domain});
        else
            server.call<Procedure::domain_undefine_flags>({.dom = domain, .flags = flags});
    });
    call.out.done({{"domain", domain.name}}, "Domain '{}' has been undefined", domain.name);
    for (const auto& each : storage) remove_storage(call, each);
}

} // namespace

std::vector<Command> definition_commands() {
    return {
        {.name = "define",
         .summary = "define a domain from an XML file without starting it",
         .about = "Creates a persistent domain, or changes the definition of one. A running domain uses the new "
                  "definition from its next start.",
         .options = {required(text("file", "file with the domain's XML", Complete::file)),
                     flag("validate", "validate the XML against the schema")},
         .run = define},
        {.name = "undefine",
         .summary = "remove a domain's definition",
         .about =
             "A running domain continues to run as a transient one. Disks are kept unless an option says otherwise.",
         .options = {the_domain(), flag("managed-save", "remove the managed save too"),
                     text("storage", "remove these volumes: targets or paths, separated by commas (see domblklist)"),
                     flag("remove-all-storage", "remove all volumes of the domain"),
                     flag("delete-storage-volume-snapshots", "remove the volumes' snapshots too"),
                     flag("wipe-storage", "wipe the volumes before"),
                     flag("snapshots-metadata", "remove snapshot metadata (the domain must be shut off)"),
                     flag("checkpoints-metadata", "remove checkpoint metadata (the domain must be shut off)"),
                     flag("nvram", "remove the firmware's variables"),
                     flag("keep-nvram", "keep the firmware's variables"), flag("tpm", "remove the TPM's state"),
                     flag("keep-tpm", "keep the TPM's state")},
         .run = undefine},
        {.name = "dumpxml",
         .summary = "print a domain's XML",
         .about = "Prints the live configuration of a running domain, and the definition of one that is shut off.",
         .options = {the_domain(), flag("inactive", "print the definition of the next start"),
                     flag("security-info", "include passwords"),
                     flag("update-cpu", "expand the CPU as this host provides it"),
                     flag("migratable", "print XML that other hosts accept"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = dumpxml},
        {.name = "edit",
         .summary = "edit a domain's XML",
         .about = "Opens the definition in $VISUAL or $EDITOR and defines the saved text. If the daemon refuses it, "
                  "you can edit it again.",
         .options = {the_domain(), flag("skip-validate", "do not validate the XML against the schema")},
         .run = edit},
        {.name = "domrename",
         .summary = "rename a domain",
         .about = "The domain must be shut off.",
         .options = {required(text("domain", "name or UUID of the domain", Complete::stopped_domain)),
                     required(text("new-name", "new name"))},
         .run = domrename},
    };
}

} // namespace domus::cli
