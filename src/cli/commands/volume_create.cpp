// Making volumes: from XML, from options, from another volume.
#include "cli/commands/volume.hpp"

#include <fmt/format.h>

#include <sstream>

namespace domus::cli {

namespace {

constexpr std::string_view form_hint =
    "'domus vol-create-as POOL NAME SIZE --print-xml' shows the form of such a document";

std::uint32_t create_flags(const Arguments& args) {
    constexpr std::pair<std::string_view, std::uint32_t> all[]{
        {"prealloc-metadata", 1}, {"reflink", 2}, {"validate", 4}};
    std::uint32_t flags = 0;
    for (const auto& [name, value] : all)
        if (find_option(args.command(), name) && args.flag(name)) flags |= value;
    return flags;
}

/// How much of a new volume is there already; where the daemon shows it only when it is whole, nobody knows.
void look_at_made(Call& call, ProgressBar& bar, const wire::StoragePool& pool, const std::string& name) {
    if (!bar.wanted()) return;
    try {
        const auto made = call.server().call<Procedure::storage_vol_lookup_by_name>({.pool = pool, .name = name}).vol;
        bar.show_bytes(call.server().call<Procedure::storage_vol_get_info>({.vol = made}).allocation);
    } catch (const Error&) {
        bar.show_bytes(0);
    }
}

/// Makes a volume by a call that may take long, and shows how far it is.
template <Procedure procedure>
wire::StorageVol make(Call& call, ProgressBar& bar, const std::string& name,
                      const typename wire::Call<procedure>::Args& args) {
    const auto look = [&] { look_at_made(call, bar, args.pool, name); };
    const auto never = [] { return false; };
    return call.server().call_watched<procedure>(args, ProgressBar::pace, never, look).vol;
}

/// What the XML of a volume says; the daemon judges whether it can be.
pugi::xml_document read(const std::string& xml) {
    pugi::xml_document document;
    document.load_string(xml.c_str());
    return document;
}

wire::StorageVol create_xml(Call& call, const wire::StoragePool& pool, const std::string& xml) {
    const auto document = read(xml);
    const auto described = document.child("volume");
    ProgressBar bar(call.out, fmt::format("Making a volume in {}", pool.name));
    if (!described.child("allocation").attribute("unit")) bar.expect(described.child("allocation").text().as_ullong());
    const auto flags = create_flags(call.args);
    return make<Procedure::storage_vol_create_xml>(call, bar, described.child_value("name"),
                                                   {.pool = pool, .xml = xml, .flags = flags});
}

/// Copies `from` into a new volume that `xml` describes.
wire::StorageVol copy(Call& call, const wire::StoragePool& pool, const std::string& xml, const wire::StorageVol& from) {
    const std::string name = read(xml).child("volume").child_value("name");
    ProgressBar bar(call.out, fmt::format("Copying {} to {}", from.name, name));
    if (bar.wanted()) bar.expect(call.server().call<Procedure::storage_vol_get_info>({.vol = from}).allocation);
    const auto flags = create_flags(call.args);
    return make<Procedure::storage_vol_create_xml_from>(call, bar, name,
                                                        {.pool = pool, .xml = xml, .clonevol = from, .flags = flags});
}

void create(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto pool = find_pool(call);
    const auto volume = doing_in_pool(fmt::format("Failed to create vol from {}", file), pool.name,
                                      std::string(form_hint), [&] { return create_xml(call, pool, xml); });
    call.out.done(volume_json(volume), "Vol {} created from {}", volume.name, file);
}

/// The path of the volume that --backing-vol names.
std::string backing_path(Call& call, const wire::StoragePool& pool, const std::string& name) {
    const auto line = fmt::format("failed to get vol '{}'", name);
    const auto hint =
        fmt::format("'domus vol-list {}' shows those of this pool; others are named by their path", pool.name);
    return doing_in_pool(line, pool.name, hint, [&] {
        const auto found = look_for_volume(call, &pool, name);
        if (!found) throw Failure(line).hint(hint);
        return volume_path(call, *found);
    });
}

struct Sizes {
    std::uint64_t capacity = 0;
    std::optional<std::uint64_t> allocation;
};

std::string described(Call& call, const wire::StoragePool& pool, const Sizes& sizes) {
    const auto& args = call.args;
    auto xml = fmt::format("<volume>\n  <name>{}</name>\n  <capacity>{}</capacity>\n",
                           xml_escaped(args.required("name")), sizes.capacity);
    if (sizes.allocation) xml += fmt::format("  <allocation>{}</allocation>\n", *sizes.allocation);
    if (const auto format = args.text("format"))
        xml += fmt::format("  <target>\n    <format type='{}'/>\n  </target>\n", xml_escaped(*format));
    if (const auto backing = args.text("backing-vol")) {
        xml += fmt::format("  <backingStore>\n    <path>{}</path>\n", xml_escaped(backing_path(call, pool, *backing)));
        if (const auto format = args.text("backing-vol-format"))
            xml += fmt::format("    <format type='{}'/>\n", xml_escaped(*format));
        xml += "  </backingStore>\n";
    }
    return xml + "</volume>\n";
}

void create_as(Call& call) {
    const auto size = [&](std::string_view option) -> std::optional<std::uint64_t> {
        const auto words = call.args.text(option);
        if (!words) return std::nullopt;
        return parse_size(*words, 1, fmt::format("Malformed size {}", *words));
    };
    const auto name = call.args.required("name");
    const Sizes sizes{.capacity = size("capacity").value_or(0), .allocation = size("allocation")};
    const auto pool = find_pool(call);
    const auto xml = described(call, pool, sizes);
    if (call.args.flag("print-xml")) return call.out.document(xml);
    const auto volume = doing_in_pool(fmt::format("Failed to create vol {}", name), pool.name, std::string(form_hint),
                                      [&] { return create_xml(call, pool, xml); });
    call.out.done(volume_json(volume), "Vol {} created", volume.name);
}

void create_from(Call& call) {
    const auto file = call.args.required("file");
    const auto pool = find_pool(call);
    const auto from = find_volume(call, "vol", "inputpool");
    const auto xml = read_file_option(call);
    const auto volume = doing_in_pool(fmt::format("Failed to create vol from {}", file), pool.name,
                                      std::string(form_hint), [&] { return copy(call, pool, xml, from); });
    call.out.done(volume_json(volume), "Vol {} created from input vol {}", volume.name, from.name);
}

/// The XML of a volume with another name in it.
std::string renamed(const std::string& xml, const std::string& name) {
    const auto document = parse_xml(xml);
    const auto element = document.child("volume").child("name");
    if (!element) fail("Failed to parse XML: the volume has no name");
    element.text().set(name.c_str());
    std::ostringstream out;
    document.print(out, "", pugi::format_raw | pugi::format_no_declaration);
    return std::move(out).str();
}

void clone(Call& call) {
    const auto name = call.args.required("newname");
    const auto from = find_volume(call);
    const auto pool = doing_in_pool("failed to get parent pool", from.pool, {}, [&] {
        return call.server().call<Procedure::storage_pool_lookup_by_volume>({.vol = from}).pool;
    });
    const auto xml = renamed(volume_xml(call, from), name);
    if (call.args.flag("print-xml")) {
        call.out.text("{}", xml); // as virsh prints it
        return call.out.result({{"xml", xml}});
    }
    const auto volume = doing_in_pool(fmt::format("Failed to clone vol from {}", from.name), pool.name,
                                      fmt::format("'domus pool-info {}' shows what is free", pool.name),
                                      [&] { return copy(call, pool, xml, from); });
    auto result = volume_json(volume);
    result["source"] = from.name;
    call.out.done(std::move(result), "Vol {} cloned from {}", volume.name, from.name);
}

Option preallocating() { return flag("prealloc-metadata", "preallocate the metadata of a qcow2 image"); }
Option reflinking() { return flag("reflink", "clone by reflink; fail where the file system cannot"); }
Option validating() { return flag("validate", "validate the XML against the schema"); }

} // namespace

std::vector<Command> volume_making_commands() {
    const auto pool = the_pool(Complete::running_pool);
    const auto file = required(text("file", "file with the volume's XML", Complete::file));
    return {
        {.name = "vol-create",
         .summary = "create a volume from an XML file",
         .options = {pool, file, preallocating(), validating()},
         .run = create},
        {.name = "vol-create-as",
         .summary = "create a volume from options",
         .about = "Raw volumes reserve all their space unless --allocation says less; qcow2 images grow as they are "
                  "written.",
         .options = {pool, required(text("name", "its name")),
                     required(text("capacity", "capacity in bytes, or with a unit: 10G")),
                     text("allocation", "space to allocate now, in the same form"),
                     one_of("format", "raw|qcow2|vmdk|vdi", "format of the image"),
                     text("backing-vol", "backing volume", Complete::volume),
                     one_of("backing-vol-format", "raw|qcow2|vmdk|vdi", "format of the backing volume"),
                     preallocating(), flag("print-xml", "print the XML and create nothing")},
         .run = create_as},
        {.name = "vol-create-from",
         .summary = "create a volume from the contents of another one",
         .about = "The other volume may be in another pool and have another format.",
         .options = {pool, file, the_volume(), text("inputpool", "pool of the other volume", Complete::running_pool),
                     preallocating(), reflinking(), validating()},
         .run = create_from},
        {.name = "vol-clone",
         .summary = "clone a volume within its pool",
         .options = {the_volume(), required(text("newname", "name of the clone")), the_volumes_pool(), preallocating(),
                     reflinking(), flag("print-xml", "print the XML and create nothing")},
         .run = clone},
    };
}

} // namespace domus::cli
