// Looking at images: what the header says, what is where, whether it holds together.
#include "cli/commands/image.hpp"

#include "cli/qemu_img.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <sys/stat.h>

namespace domus::cli {

namespace {

namespace json = boost::json;

std::uint64_t allocated(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

json::array snapshots_json(const image::Header& header) {
    json::array all;
    for (const auto& each : header.snapshots)
        all.push_back({{"id", each.id},
                       {"name", each.name},
                       {"vm-state-size", each.vm_state_size},
                       {"date-sec", each.seconds},
                       {"date-nsec", each.nanoseconds},
                       {"vm-clock-nsec", each.guest_clock}});
    return all;
}

json::array bitmaps_json(const image::Header& header) {
    json::array all;
    for (const auto& each : header.bitmaps)
        all.push_back({{"name", each.name},
                       {"granularity", each.granularity},
                       {"in-use", each.in_use},
                       {"auto", each.automatic}});
    return all;
}

json::object encryption_json(const image::Encryption& encryption) {
    json::object object{{"method", encryption.method}};
    for (const auto& [key, value] :
         std::initializer_list<std::pair<std::string_view, const std::string&>>{{"cipher", encryption.cipher},
                                                                                {"mode", encryption.mode},
                                                                                {"ivgen", encryption.vector},
                                                                                {"hash", encryption.hash},
                                                                                {"uuid", encryption.uuid}})
        if (!value.empty()) object[key] = value;
    return object;
}

/// The members that qemu-img's own output has go by its names.
json::object header_json(const std::string& path, const image::Header& header) {
    json::object object{{"filename", path},
                        {"format", header.format},
                        {"virtual-size", header.virtual_size.bytes},
                        {"actual-size", allocated(path)},
                        {"dirty-flag", header.dirty},
                        {"corrupt", header.corrupt}};
    const auto add = [&](std::string_view key, const std::string& value) {
        if (!value.empty()) object[key] = value;
    };
    if (header.cluster_size.bytes > 0) object["cluster-size"] = header.cluster_size.bytes;
    if (header.version > 0) object["compat"] = header.version == 2 ? "0.10" : "1.1";
    if (header.backing_file) {
        object["backing-filename"] = *header.backing_file;
        if (!image::is_elsewhere(*header.backing_file))
            object["full-backing-filename"] = image::beside(path, *header.backing_file);
    }
    add("backing-filename-format", header.backing_format.value_or(""));
    add("data-file", header.data_file.value_or(""));
    add("compression-type", header.compression);
    add("subformat", header.subformat);
    add("label", header.label);
    if (header.encryption) object["encryption"] = encryption_json(*header.encryption);
    if (!header.snapshots.empty()) object["snapshots"] = snapshots_json(header);
    if (!header.bitmaps.empty()) object["bitmaps"] = bitmaps_json(header);
    return object;
}

void line(Call& call, std::string_view label, std::string_view value) {
    if (!value.empty()) call.out.text("{:<16} {}\n", label, printable(value));
}

std::string exact(std::uint64_t bytes) { return fmt::format("{} ({} bytes)", size_text(bytes), bytes); }

std::string encryption_text(const image::Encryption& encryption) {
    if (encryption.cipher.empty()) return encryption.method;
    return fmt::format("{}, {}-{}{}{}", encryption.method, encryption.cipher, encryption.mode,
                       encryption.vector.empty() ? "" : "-", encryption.vector);
}

std::string state_text(const image::Header& header) {
    if (header.corrupt) return "corrupt: 'domus image check' tells more";
    return header.dirty ? "not closed cleanly" : "";
}

void show_parts(Call& call, const image::Header& header) {
    for (const auto& each : header.extents)
        if (!each.file.empty())
            line(call, "Extent:", fmt::format("{}, {}, {}", each.file, each.kind, exact(each.size.bytes)));
    for (const auto& each : header.snapshots)
        line(call, "Snapshot:",
             fmt::format("{}  {}  {}  {}", each.id, time_text(each.seconds), size_text(each.vm_state_size), each.name));
    for (const auto& each : header.bitmaps)
        line(call, "Bitmap:",
             fmt::format("{}, a bit for {}{}{}", each.name, size_text(each.granularity),
                         each.automatic ? ", recording" : "", each.in_use ? ", in use" : ""));
}

void show(Call& call, const std::string& path, const image::Header& header) {
    line(call, "Image:", path);
    line(call,
         "Format:", header.version == 0 ? header.format : fmt::format("{}, version {}", header.format, header.version));
    line(call, "Kind:", header.subformat);
    line(call, "Label:", header.label);
    line(call, "Virtual size:", exact(header.virtual_size.bytes));
    line(call, "Takes on disk:", size_text(allocated(path)));
    if (header.cluster_size.bytes > 0) line(call, "Cluster size:", size_text(header.cluster_size.bytes));
    line(call, "Backing image:", header.backing_file.value_or(""));
    line(call, "Its format:", header.backing_format.value_or(header.backing_file ? "not told" : ""));
    line(call, "Data file:", header.data_file.value_or(""));
    if (header.encryption) line(call, "Encryption:", encryption_text(*header.encryption));
    line(call, "State:", state_text(header));
    show_parts(call, header);
}

void info(Call& call) {
    const auto image = find_image(call);
    if (!call.args.flag("backing-chain")) {
        show(call, image.path, image.header);
        return call.out.result(header_json(image.path, image.header));
    }
    json::array all;
    for (const auto& link : follow(image).links) {
        if (!all.empty()) call.out.text("\n");
        show(call, link.path, link.header);
        all.push_back(header_json(link.path, link.header));
    }
    call.out.result(std::move(all));
}

void add_opening(std::vector<std::string>& arguments, const Image& image) {
    for (auto& word : secret_words(image.secret_file)) arguments.push_back(std::move(word));
    arguments.insert(arguments.end(), {"--image-opts", as_options(image)});
}

void map(Call& call) {
    const auto image = find_image(call);
    (void)follow(image);
    std::vector<std::string> arguments{"map", "--output=json"};
    if (call.args.flag("force-share"))
        arguments.emplace_back("-U");
    else
        keep_off_used(call, image.path, Touch::read);
    add_opening(arguments, image);
    auto pieces = json::parse(qemu_img(std::move(arguments)));
    if (call.out.json()) return call.out.result(std::move(pieces));
    Table table{.columns = {{"Start", ""}, {"Length", ""}, {"Contents", ""}, {"At", ""}, {"Depth", ""}}, .rows = {}};
    for (const auto& piece : pieces.as_array()) {
        const auto& object = piece.as_object();
        const auto number = [&](std::string_view key) {
            const auto* value = object.if_contains(key);
            return value ? fmt::format("{:#x}", value->to_number<std::uint64_t>()) : std::string("-");
        };
        const auto* contents = object.at("data").as_bool() ? "data" : object.at("zero").as_bool() ? "zeros" : "nothing";
        table.rows.push_back({number("start"), number("length"), contents, number("offset"),
                              fmt::format("{}", object.at("depth").to_number<std::uint64_t>())});
    }
    call.out.table(table);
}

std::uint64_t count_in(const json::object& report, std::string_view key) {
    const auto* value = report.if_contains(key);
    return value ? value->to_number<std::uint64_t>() : 0;
}

void report_check(Call& call, const json::object& report) {
    const auto corruptions = count_in(report, "corruptions"), leaks = count_in(report, "leaks");
    const auto mended = count_in(report, "corruptions-fixed") + count_in(report, "leaks-fixed");
    if (mended > 0) call.out.text("{} errors were repaired\n", mended);
    if (corruptions > 0) call.out.text("{} errors: data may be lost\n", corruptions);
    if (leaks > 0) call.out.text("{} clusters are lost to use; nothing else is wrong with them\n", leaks);
    if (corruptions == 0 && leaks == 0) call.out.text("No errors are in the image\n");
    const auto clusters = count_in(report, "total-clusters"), used = count_in(report, "allocated-clusters");
    if (clusters > 0)
        call.out.text("{} of {} clusters have contents, {} lie apart\n", used, clusters,
                      count_in(report, "fragmented-clusters"));
}

void check(Call& call) {
    constexpr int cannot = 1, no_check = 63;
    const auto image = find_image(call);
    const auto repair = call.args.text("repair");
    if (repair && *repair != "leaks" && *repair != "all") fail("--repair is 'leaks' or 'all', not '{}'", *repair);
    (void)follow(image);
    std::vector<std::string> arguments{"check", "--output=json"};
    if (repair) arguments.insert(arguments.end(), {"-r", *repair});
    if (call.args.flag("force-share") && !repair)
        arguments.emplace_back("-U");
    else
        keep_off_used(call, image.path, repair ? Touch::change : Touch::read);
    add_opening(arguments, image);
    const auto answer = run_qemu_img(std::move(arguments));
    if (answer.code == no_check)
        throw Failure(fmt::format("images of the format {} have nothing that could be checked", image.header.format));
    if (answer.code == cannot && answer.out.empty()) throw_problem(answer);
    const auto report = json::parse(answer.out).as_object();
    report_check(call, report);
    call.out.result(report);
    if (answer.code == 0) return;
    call.out.finish();
    if (!repair) call.out.text("hint: 'domus image check {} --repair all' mends what can be\n", image.path);
    throw Failure::silent();
}

} // namespace

std::vector<Command> image_reading_commands() {
    return {
        {.name = "image-info",
         .summary = "show what an image's header says",
         .about = "Reads the header itself, in bounded pieces, and opens no file that the image names unless "
                  "--backing-chain asks for it. An image in use can be examined too.",
         .options = {the_image(), image_format(), flag("backing-chain", "show backing images too")},
         .run = info,
         .connects = false},
        {.name = "image-map",
         .summary = "show which parts of an image are allocated, and where",
         .options = {the_image(), image_format(), secret_file(), force_share()},
         .run = map,
         .connects = false},
        {.name = "image-check",
         .summary = "check an image for errors, or repair it",
         .about = "Fails if there are errors. --repair leaks frees lost clusters, --repair all repairs all that can be "
                  "repaired; make a copy before the latter.",
         .options = {the_image(), image_format(), secret_file(), named(one_of("repair", "leaks|all", "what to repair")),
                     force_share()},
         .run = check,
         .connects = false},
    };
}

} // namespace domus::cli
