// What the verbs of `domus image` share: finding out what an image is, following it only where that is safe, and
// keeping off those that a running domain uses.
#pragma once

#include "cli/call.hpp"
#include "image/chain.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

enum class Touch { look, read, change };

/// An image that a command names.
struct Image {
    std::string path;  ///< absolute, so that QEMU takes it for no protocol
    bool told = false; ///< the command names the format
    image::Header header;
    std::string secret_file; ///< absolute: holds the passphrase; or empty

    /// The name that QEMU has for the format: a disc is raw to it.
    std::string format() const { return std::string(image::qemu_driver(header.format)); }
};

/// The options of a command that describe one image.
struct ImageOptions {
    std::string_view path = "image", format = "format", secret = "secret-file";
};

/// The image of these options, as of the format they tell or, without, as its first bytes look.
Image find_image(Call& call, const ImageOptions& options = {});

/// For qemu-img behind --image-opts: the image and the format as which it is opened, with its passphrase.
std::string as_options(const Image& image, std::string_view secret = "key");
/// What makes its passphrase known by that name; nothing if it has none.
std::vector<std::string> secret_words(const std::string& secret_file, std::string_view secret = "key");
/// What makes a new image of the format encrypted, for -o. Throws Failure for a format that has no encryption.
std::string encrypted_with(std::string_view format, std::string_view secret);

/// Before QEMU opens the image with all that it names: throws where the format was only guessed and the image names
/// other files, or where one of its chain does not tell the format of the next.
image::Chain follow(const Image& image);

/// Throws Failure where a running domain uses the image in a way that does not go with ours, naming the domain if the
/// daemon knows it.
void keep_off_used(Call& call, const std::string& path, Touch touch);

/// Throws Failure where a file with contents lies in the place of a new image, unless --overwrite was said; then, where
/// a running domain uses it.
void may_replace(Call& call, const std::string& path);

/// "1.5 GiB"
std::string size_text(std::uint64_t bytes);
/// The host's own time.
std::string time_text(std::uint32_t seconds);

// Options that many verbs have.
Option the_image(std::string_view help = "path of the image");
Option image_format(std::string_view help = "format of the image; guessed from its header by default");
Option force_share();
Option secret_file(std::string_view name = "secret-file",
                   std::string_view help = "file with the passphrase of an encrypted image");

std::vector<Command> image_reading_commands();
std::vector<Command> image_copy_commands();

} // namespace domus::cli
