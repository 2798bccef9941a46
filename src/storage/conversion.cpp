#include "storage/conversion.hpp"

#include "base/number.hpp"
#include "image/holder.hpp"
#include "image/lock.hpp"
#include "os/files.hpp"
#include "storage/encryption.hpp"
#include "storage/kind.hpp"
#include "storage/named_files.hpp"
#include "storage/open_volume_file.hpp"
#include "storage/volume_making.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace domus::storage {

namespace {

using namespace std::chrono_literals;

constexpr auto between_looks = 15s;

/// Checks what the image to read from names, and keeps all of it as it was checked until the command has ended.
Task<> hold_source(Origin from, std::shared_ptr<Command> command, Site site) {
    auto check = [command, file = from.file, path = *from.volume->target.path,
                  format = format_of(*from.volume)](const Opener& asker) {
        if (format == "raw") return; // it names nothing
        if (!image::claim(file->get(), {})) throw image::in_use(path, file->get());
        for (auto& named : hold_named_files(asker, path, *file, format)) command->pass(std::move(named));
    };
    co_await site.check_asker(std::move(check));
}

/// Reads how far qemu-img is: it writes "    (12.50/100%)\r" again and again.
class Percentage {
public:
    Percentage(ProgressPtr progress, ByteCount size) : progress_(std::move(progress)), size_(size) {}

    void operator()(const std::string& out) {
        const auto end = out.rfind("/100%)"), begin = out.rfind('(', end);
        if (end == out.npos || begin == out.npos) return;
        auto digits = out.substr(begin + 1, end - begin - 1);
        std::erase(digits, '.');
        const auto hundredths = parse_number<std::uint64_t>(digits);
        if (!hundredths) return;
        const auto done = size_.bytes / 10000 * *hundredths;
        if (done > done_) progress_->advance(done - done_); // a further attempt begins anew
        done_ = std::max(done, done_);
    }

private:
    ProgressPtr progress_;
    ByteCount size_;
    std::uint64_t done_ = 0;
};

/// The words that name the volume to read from.
Task<std::vector<std::string>> source_words(Origin from, std::shared_ptr<Command> command, Site site) {
    const auto& volume = *from.volume;
    if (volume.type == model::VolumeType::network) {
        auto name = co_await from.kind->image_name(from.pool, from.volume, "source-key", command, site);
        std::vector<std::string> words;
        words.push_back(std::move(name));
        co_return words;
    }
    from.file = co_await source_file(from, site);
    co_await hold_source(from, command, site);
    auto look = [command, file = from.file, path = *volume.target.path, format = format_of(volume)] {
        command->pass(file); // with its lock
        const bool relative = names_others(*file, format);
        return name_for_program(*command, file, path, relative);
    };
    const auto name = co_await site.block(std::move(look));
    std::vector<std::string> words;
    if (volume.target.encryption) {
        co_await pass_key(command, "source-key", key_of(volume), site);
        words = {"--image-opts", encrypted_image(volume, name, "source-key")};
    } else {
        words = {"-f", format_of(volume), name};
    }
    co_return words;
}

} // namespace

Task<std::shared_ptr<UniqueFd>> source_file(Origin from, Site site) {
    if (from.file) co_return from.file;
    auto open = [path = *from.volume->target.path] {
        return std::make_shared<UniqueFd>(open_volume_file(path, O_RDONLY));
    };
    auto file = co_await site.block(std::move(open));
    co_return file;
}

std::string node_name(const boost::json::object& node) { return "json:" + boost::json::serialize(node); }

void pass_secret(Command& command, std::string_view key, std::string_view value) {
    const int number = command.pass(make_memfd("volume-key", value));
    const auto object = fmt::format("secret,id={},file=/proc/self/fd/{}", key, number);
    command.arguments.insert(command.arguments.begin() + 1, {"--object", object});
}

Task<std::shared_ptr<Command>> conversion(Origin from, model::Volume wanted, std::vector<std::string> options,
                                          Site site) {
    const auto command = std::make_shared<Command>(making_command());
    const auto format = wanted.target.format.value_or(format_of(*from.volume));
    const bool luks = wanted.target.encryption && format == "raw";
    auto& words = command->arguments;
    words = {"convert", "-p"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"-O", luks ? "luks" : format});
    wanted.target.format = format;
    if (const auto more = creation_options(wanted, false); !more.empty()) words.insert(words.end(), {"-o", more});
    auto source = co_await source_words(from, command, site);
    words.insert(words.end(), source.begin(), source.end());
    if (wanted.target.encryption) co_await pass_key(command, "volume-key", key_of(wanted), site);
    co_return command;
}

Task<> convert(std::shared_ptr<Command> command, bool encrypts, ByteCount size, std::string purpose, Site site) {
    site.progress()->expect(size.bytes);
    const auto watched = site.cancellable(Percentage(site.progress(), size));
    std::optional<Error> failure;
    try {
        if (encrypts)
            co_await make_encrypted(command, purpose, watched);
        else
            (void)co_await watched.run(std::move(*command), purpose);
    } catch (const Error& error) {
        failure = error;
    }
    if (!failure) co_return;
    for (const auto* kind : all_kinds())
        if (const auto driver = kind->info().block_driver;
            !driver.empty() && failure->text().contains(fmt::format("driver '{}'", driver)))
            throw std::move(*failure).hint("install QEMU's driver with 'apt install qemu-block-extra'");
    throw std::move(*failure);
}

Site beside(const Origin& from, Site site) {
    if (from.volume->type != model::VolumeType::network) return site;
    auto look = [from, site]() -> Task<> { return from.kind->require_answer(from.pool, site); };
    return site.watched(between_looks, std::move(look));
}

} // namespace domus::storage
