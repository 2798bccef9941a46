// What reads whole images: convert and compare, with a progress bar; and commit and rebase, which also write.
#include "cli/commands/image.hpp"

#include "cli/qemu_img.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace domus::cli {

namespace {

/// With -p, if somebody looks on. The bar is gone before the result is printed.
struct Work {
    std::optional<ProgressBar> bar;
    std::vector<std::string> arguments;

    Work(Call& call, std::string verb, std::uint64_t bytes)
        : bar(std::in_place, call.out, verb, bytes), arguments{std::move(verb)} {
        if (bar->wanted()) arguments.emplace_back("-p");
    }
    void add(const std::vector<std::string>& more) { arguments.insert(arguments.end(), more.begin(), more.end()); }
    ToolAnswer answer() {
        auto given = run_qemu_img(std::move(arguments), bar->wanted() ? &*bar : nullptr);
        bar.reset();
        return given;
    }
    void run() {
        if (const auto given = answer(); given.code != 0) throw_problem(given);
    }
};

/// Reads it with all below, also while a domain writes if the command says so.
void open_for_reading(Call& call, const Image& image, Work& work) {
    (void)follow(image);
    if (call.args.flag("force-share"))
        work.add({"-U"});
    else
        keep_off_used(call, image.path, Touch::read);
}

void convert(Call& call) {
    const auto source = find_image(call, {.path = "source"});
    const auto target = std::filesystem::absolute(call.args.required("target")).string();
    const auto format = call.args.text("output-format").value_or("qcow2");
    std::error_code absent;
    if (std::filesystem::equivalent(source.path, target, absent))
        fail("'{}' cannot be copied onto itself", source.path);
    may_replace(call, target);
    Work work(call, "convert", source.header.virtual_size.bytes);
    open_for_reading(call, source, work);
    work.add(secret_words(source.secret_file));
    work.add({"--image-opts", "-O", format});
    if (call.args.flag("compress")) work.add({"-c"});
    if (const auto snapshot = call.args.text("snapshot")) work.add({"-l", "snapshot.name=" + *snapshot});
    if (const auto rate = call.args.size("rate-limit", 1)) work.add({"-r", fmt::format("{}", *rate)});
    if (const auto options = call.args.text("options")) work.add({"-o", *options});
    if (const auto secret = call.args.text("target-secret-file")) {
        work.add(secret_words(std::filesystem::absolute(*secret).string(), "target"));
        work.add({"-o", encrypted_with(format, "target")});
    }
    work.add({as_options(source), target});
    work.run();
    call.out.done({{"source", source.path}, {"target", target}, {"format", format}}, "Image '{}' converted to '{}', {}",
                  source.path, target, format);
}

void compare(Call& call) {
    constexpr int differ = 1;
    const auto first = find_image(call), second = find_image(call, {"other", "other-format", "other-secret-file"});
    Work work(call, "compare", std::max(first.header.virtual_size.bytes, second.header.virtual_size.bytes));
    open_for_reading(call, first, work);
    (void)follow(second);
    if (!call.args.flag("force-share")) keep_off_used(call, second.path, Touch::read);
    if (call.args.flag("strict")) work.add({"-s"});
    work.add(secret_words(first.secret_file));
    work.add(secret_words(second.secret_file, "other"));
    work.add({"--image-opts", as_options(first), as_options(second, "other")});
    auto answer = work.answer();
    if (answer.code > differ) throw_problem(answer);
    answer.out.resize(answer.out.find_last_not_of(" \n") + 1);
    call.out.text("{}\n", answer.out);
    call.out.result(boost::json::object{{"identical", answer.code == 0}, {"message", answer.out}});
    if (answer.code == 0) return;
    call.out.finish();
    throw Failure::silent();
}

void commit(Call& call) {
    const auto image = find_image(call);
    const auto chain = follow(image);
    if (chain.links.size() < 2) fail("the image '{}' has no backing file to commit to", image.path);
    const auto base = call.args.text("base");
    for (const auto& link : chain.links) keep_off_used(call, link.path, Touch::change);
    Work work(call, "commit", image.header.virtual_size.bytes);
    work.add(secret_words(image.secret_file));
    if (base)
        work.add({"-b", *base});
    else if (call.args.flag("keep-contents"))
        work.add({"-d"});
    work.add({"--image-opts", as_options(image)});
    work.run();
    const auto into = base.value_or(chain.links[1].path);
    call.out.done({{"image", image.path}, {"base", into}}, "Image '{}' committed to '{}'", image.path, into);
}

void rebase(Call& call) {
    const auto image = find_image(call);
    const auto backing = call.args.text("backing"), format = call.args.text("backing-format");
    const bool unsafe = call.args.flag("unsafe");
    if (backing && !format)
        throw Failure("the format of the new backing image must be told").hint("--backing-format raw, qcow2...");
    keep_off_used(call, image.path, Touch::change);
    if (!unsafe) (void)follow(image);
    Work work(call, "rebase", image.header.virtual_size.bytes);
    work.add(secret_words(image.secret_file));
    if (unsafe) work.add({"-u"});
    if (backing) {
        const auto below = image::beside(image.path, *backing);
        if (!unsafe && !image::is_elsewhere(*backing)) (void)image::read_chain(below, format);
        work.add({"-F", *format, "-b", *backing});
    } else {
        work.add({"-b", ""});
    }
    work.add({"--image-opts", as_options(image)});
    work.run();
    const boost::json::value now = backing ? boost::json::value(*backing) : boost::json::value(nullptr);
    if (backing)
        call.out.done({{"image", image.path}, {"backing", now}}, "Image '{}' is now based on '{}'", image.path,
                      *backing);
    else
        call.out.done({{"image", image.path}, {"backing", now}}, "Image '{}' has no backing image any more",
                      image.path);
}

} // namespace

std::vector<Command> image_copy_commands() {
    return {
        {.name = "image-convert",
         .summary = "convert an image to another format",
         .about = "The copy has no backing image: it contains all that is below the source. A copy that takes longer "
                  "than a second shows a progress bar on a terminal.",
         .options = {required(text("source", "path of the image", Complete::file)),
                     required(text("target", "path of the copy", Complete::file)), image_format(),
                     named(one_of("output-format", "qcow2|raw|vmdk|vdi|vhdx|vpc|qed|qcow",
                                  "format of the copy; qcow2 by default")),
                     named(text("options", "options of the new format, as qemu-img takes them: cluster_size=64k,...")),
                     flag("compress", "compress the copy"), named(text("snapshot", "copy this internal snapshot")),
                     named(number("rate-limit", "write at most so many bytes a second; 10M")), secret_file(),
                     secret_file("target-secret-file", "encrypt the copy with the passphrase in this file"),
                     force_share(), flag("overwrite", "replace an existing file")},
         .run = convert,
         .connects = false},
        {.name = "image-compare",
         .summary = "compare the contents of two images",
         .about = "Fails if they differ.",
         .options = {the_image("path of the first image"),
                     required(text("other", "path of the second image", Complete::file)), image_format(),
                     named(text("other-format", "format of the second image")), secret_file(),
                     secret_file("other-secret-file", "file with the passphrase of the second image"),
                     flag("strict", "compare sizes and allocation too"), force_share()},
         .run = compare,
         .connects = false},
        {.name = "image-commit",
         .summary = "commit an image's changes into its backing image",
         .about = "No running domain may use any image of the chain.",
         .options = {the_image(), image_format(), secret_file(),
                     named(text("base", "image of the chain to commit into; the next one by default", Complete::file)),
                     flag("keep-contents", "keep the image's contents afterwards")},
         .run = commit,
         .connects = false},
        {.name = "image-rebase",
         .summary = "change an image's backing image",
         .about = "Copies the differences, so that the contents stay the same; without --backing, all that is below. "
                  "With --unsafe, changes only the name in the header, for a backing image that was moved.",
         .options = {the_image(), image_format(), secret_file(),
                     named(text("backing", "new backing image", Complete::file)),
                     named(text("backing-format", "format of the backing image")),
                     flag("unsafe", "change only the name in the header")},
         .run = rebase,
         .connects = false},
    };
}

} // namespace domus::cli
