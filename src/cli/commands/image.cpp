// Making images, and changing their size and their snapshots.
#include "cli/commands/image.hpp"

#include "cli/commands/commands.hpp"
#include "cli/qemu_img.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace domus::cli {

namespace {

namespace fs = std::filesystem;

void create(Call& call) {
    const auto path = fs::absolute(call.args.required("image")).string();
    const auto format = call.args.text("format").value_or("qcow2");
    const auto backing = call.args.text("backing"), backing_format = call.args.text("backing-format");
    const auto size = call.args.size("size", 1);
    if (!size && !backing) throw Failure("an image needs a size").hint("domus image create disk.qcow2 20G");
    if (backing && !backing_format)
        throw Failure("the format of the backing image must be told").hint("--backing-format raw, qcow2...");
    may_replace(call, path);
    std::vector<std::string> arguments{"create", "-q", "-f", format};
    if (backing) {
        if (!image::is_elsewhere(*backing)) (void)image::read_chain(image::beside(path, *backing), backing_format);
        arguments.insert(arguments.end(), {"-b", *backing, "-F", *backing_format});
    }
    if (const auto options = call.args.text("options")) arguments.insert(arguments.end(), {"-o", *options});
    if (const auto secret = call.args.text("secret-file")) {
        for (auto& word : secret_words(fs::absolute(*secret).string())) arguments.push_back(std::move(word));
        arguments.insert(arguments.end(), {"-o", encrypted_with(format, "key")});
    }
    arguments.push_back(path);
    if (size) arguments.push_back(fmt::format("{}", *size));
    qemu_img(std::move(arguments));
    call.out.done({{"image", path}, {"format", format}}, "Image '{}' created, {}", path, format);
}

std::vector<std::string> opening(std::string verb, const Image& image) {
    std::vector<std::string> words{std::move(verb), "-q"};
    for (auto& word : secret_words(image.secret_file)) words.push_back(std::move(word));
    return words;
}

/// "20G", or "+5G" and "-5G" from what it is.
std::uint64_t new_size(const Image& image, const std::string& text) {
    const bool more = text.starts_with('+'), less = text.starts_with('-');
    const auto given = parse_size(more || less ? text.substr(1) : text, 1, fmt::format("'{}' is no size", text));
    const auto now = image.header.virtual_size.bytes;
    if (less && given > now) fail("the image has {}, which cannot become {} less", size_text(now), size_text(given));
    if (more && given > ~std::uint64_t{0} - now) fail("'{}' is no size", text);
    return more ? now + given : less ? now - given : given;
}

void resize(Call& call) {
    const auto image = find_image(call);
    const auto size = new_size(image, call.args.required("size"));
    const bool smaller = size < image.header.virtual_size.bytes;
    if (smaller && !call.args.flag("shrink"))
        throw Failure(
            fmt::format("the image '{}' would become smaller, and what lies at its end would be lost", image.path))
            .hint("shrink the file systems in it first, then say --shrink");
    (void)follow(image);
    keep_off_used(call, image.path, Touch::change);
    auto arguments = opening("resize", image);
    if (smaller) arguments.emplace_back("--shrink");
    if (const auto how = call.args.text("preallocation")) arguments.push_back("--preallocation=" + *how);
    arguments.insert(arguments.end(), {"--image-opts", as_options(image), fmt::format("{}", size)});
    qemu_img(std::move(arguments));
    call.out.done({{"image", image.path}, {"virtual-size", size}}, "Image '{}' has {} now", image.path,
                  size_text(size));
}

void list_snapshots(Call& call, const Image& image) {
    Table table{.columns = {{"Id", "id"}, {"Name", "name"}, {"Memory", "vm-state-size"}, {"Time", "date-sec"}},
                .rows = {}};
    for (const auto& each : image.header.snapshots)
        table.rows.push_back({each.id,
                              each.name,
                              {size_text(each.vm_state_size), each.vm_state_size},
                              {time_text(each.seconds), each.seconds}});
    call.out.table(table);
}

struct SnapshotVerb {
    std::string_view option, letter, done;
};
constexpr SnapshotVerb snapshot_verbs[]{
    {"create", "-c", "made"}, {"apply", "-a", "gone back to"}, {"delete", "-d", "deleted"}};

void snapshot(Call& call) {
    const SnapshotVerb* wanted = nullptr;
    for (const auto& verb : snapshot_verbs) {
        if (!call.args.given(verb.option)) continue;
        if (wanted) call.args.exclusive(wanted->option, verb.option);
        wanted = &verb;
    }
    const auto image = find_image(call);
    if (!wanted) return list_snapshots(call, image);
    const auto name = call.args.required(wanted->option);
    (void)follow(image);
    keep_off_used(call, image.path, Touch::change);
    auto arguments = opening("snapshot", image);
    arguments.insert(arguments.end(), {std::string(wanted->letter), name, "--image-opts", as_options(image)});
    qemu_img(std::move(arguments));
    call.out.done({{"image", image.path}, {"snapshot", name}}, "Snapshot '{}' of image '{}' {}", name, image.path,
                  wanted->done);
}

std::vector<Command> changing_commands() {
    return {
        {.name = "image-create",
         .summary = "create an image",
         .options = {the_image("path of the new image"),
                     number("size", "size: 20G; that of the backing image by default"),
                     named(one_of("format", "qcow2|raw|vmdk|vdi|vhdx|vpc|qed|qcow|luks",
                                  "format of the image; qcow2 by default")),
                     named(text("backing", "backing image, relative to the image's folder", Complete::file)),
                     named(text("backing-format", "format of the backing image")),
                     named(text("options", "options of the format, as qemu-img takes them: cluster_size=64k,...")),
                     secret_file("secret-file",
                                 "encrypt the image with the passphrase in this file, which has no line end"),
                     flag("overwrite", "replace an existing file")},
         .run = create,
         .connects = false},
        {.name = "image-resize",
         .summary = "resize an image",
         .about = "The guest sees the new size. 'blockresize' resizes a disk of a running domain.",
         .options = {the_image(), required(text("size", "new size: 20G, or a change: +5G, -5G")), image_format(),
                     secret_file(), flag("shrink", "allow a smaller size; data behind the new end is lost"),
                     named(one_of("preallocation", "off|metadata|falloc|full", "preallocation of the added space"))},
         .run = resize,
         .connects = false},
        {.name = "image-snapshot",
         .summary = "list, create, apply or delete snapshots inside an image",
         .about = "Use 'snapshot-create' for snapshots of a domain, which the daemon keeps track of.",
         .options = {the_image(), image_format(), secret_file(),
                     named(text("create", "create a snapshot with this name")),
                     named(text("apply", "revert to this snapshot")), named(text("delete", "delete this snapshot"))},
         .run = snapshot,
         .connects = false},
    };
}

} // namespace

std::vector<Command> image_commands() {
    std::vector<Command> all;
    for (const auto part : {changing_commands, image_reading_commands, image_copy_commands})
        for (auto& command : part()) all.push_back(std::move(command));
    for (auto& command : all) command.group = Group::image;
    return all;
}

} // namespace domus::cli
