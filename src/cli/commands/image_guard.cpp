// Which images a command may touch.
#include "cli/commands/image.hpp"

#include "cli/objects.hpp"
#include "image/holder.hpp"
#include "image/lock.hpp"
#include "image/option.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

namespace domus::cli {

namespace {

constexpr std::uint32_t running_ones = 1; // of virConnectListAllDomains

bool same_image(const std::string& one, const std::string& other) {
    struct stat a{}, b{};
    if (::stat(one.c_str(), &a) != 0 || ::stat(other.c_str(), &b) != 0) return false;
    if (S_ISBLK(a.st_mode) && S_ISBLK(b.st_mode)) return a.st_rdev == b.st_rdev;
    return same_file(a, b);
}

bool uses(Call& call, const wire::Domain& domain, const std::string& path) {
    const auto document = parse_xml(domain_xml(call, domain));
    for (const auto& found : document.select_nodes("/domain/devices/disk//source"))
        for (const auto* attribute : {"file", "dev"})
            if (const std::string source = found.node().attribute(attribute).value();
                !source.empty() && same_image(source, path))
                return true;
    return false;
}

/// Paths of a daemon on another host mean other files.
bool is_local(const std::string& uri) {
    const auto authority = uri.find("://");
    return authority == std::string::npos || uri.substr(authority + 3, 1) == "/" || authority + 3 == uri.size();
}

/// For those who may not look at the process itself. Nothing where no daemon answers or none of its domains has the image.
std::optional<std::string> user_of(Call& call, const std::string& path) {
    if (!is_local(call.session.settings().uri)) return std::nullopt;
    try {
        const auto domains =
            call.server().call<Procedure::connect_list_all_domains>({.need_results = 1, .flags = running_ones}).domains;
        for (const auto& domain : domains)
            if (uses(call, domain, path)) return domain.name;
    } catch (const std::exception&) {
        // the locks have told already that somebody uses it
    }
    return std::nullopt;
}

Failure used(Call& call, const std::string& path, int fd, Touch touch) {
    const std::string share = touch == Touch::read ? "; or read what it has at this moment with --force-share" : "";
    auto holder = image::find_holder(fd, path);
    std::string who = holder ? holder->text() : "another QEMU";
    if (!holder)
        if (const auto domain = user_of(call, path)) {
            who = fmt::format("the running domain '{}'", *domain);
            holder.emplace().domain = *domain;
        }
    return Failure(fmt::format("the image '{}' is in use by {}", path, who)).hint(image::way_out(holder, path) + share);
}

std::vector<std::string> named_files(const image::Header& header) {
    std::vector<std::string> names;
    if (header.backing_file) names.push_back(*header.backing_file);
    if (header.data_file && !header.data_file->empty()) names.push_back(*header.data_file);
    for (const auto& extent : header.extents)
        if (!extent.file.empty()) names.push_back(extent.file);
    return names;
}

} // namespace

Image find_image(Call& call, const ImageOptions& options) {
    Image found;
    found.path = std::filesystem::absolute(call.args.required(options.path)).string();
    if (const auto file = call.args.text(options.secret)) found.secret_file = std::filesystem::absolute(*file).string();
    const auto format = call.args.text(options.format);
    found.told = format.has_value();
    const auto fd = image::open_image(found.path);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", found.path);
    if (!S_ISREG(info.st_mode) && !S_ISBLK(info.st_mode)) fail("'{}' is neither a file nor a block device", found.path);
    try {
        found.header = format ? image::read_header(fd.get(), *format) : image::probe_header(fd.get());
    } catch (Error& error) {
        error.prefix(fmt::format("image '{}'", found.path));
        throw;
    }
    return found;
}

std::string as_options(const Image& image, std::string_view secret) {
    auto words = fmt::format("driver={},file.filename={}", image.format(), image::option_value(image.path));
    if (image.secret_file.empty()) return words;
    if (!image.header.encrypted()) fail("the image '{}' is not encrypted", image.path);
    return words + fmt::format(",{}key-secret={}", image.header.format == "luks" ? "" : "encrypt.", secret);
}

std::vector<std::string> secret_words(const std::string& secret_file, std::string_view secret) {
    if (secret_file.empty()) return {};
    return {"--object", fmt::format("secret,id={},file={}", secret, image::option_value(secret_file))};
}

std::string encrypted_with(std::string_view format, std::string_view secret) {
    if (format == "luks") return fmt::format("key-secret={}", secret);
    if (format == "qcow2") return fmt::format("encrypt.format=luks,encrypt.key-secret={}", secret);
    throw Failure(fmt::format("images of the format {} cannot be encrypted", format)).hint("qcow2 and luks can");
}

image::Chain follow(const Image& image) {
    const auto names = named_files(image.header);
    if (!image.told && !names.empty())
        throw Failure(
            fmt::format("the image '{}' looks like {} and names another file, '{}', which is not opened on a guess",
                        image.path, image.header.format, names.front()))
            .hint(
                fmt::format("a guest can have written that into a raw image; if it is in that format, say --format {}",
                            image.header.format));
    return image::read_chain(image.path, image.header.format);
}

void keep_off_used(Call& call, const std::string& path, Touch touch) {
    if (touch == Touch::look) return;
    const auto fd = image::open_image(path);
    const auto use = image::look_for_use(fd.get());
    if (touch == Touch::change ? use.any : use.writes) throw used(call, path, fd.get(), touch);
}

void may_replace(Call& call, const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return;
    if (!call.args.flag("overwrite") && (!S_ISREG(info.st_mode) || info.st_size > 0))
        throw Failure(fmt::format("'{}' is there already", path)).hint("--overwrite replaces it");
    keep_off_used(call, path, Touch::change);
}

std::string time_text(std::uint32_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    ::localtime_r(&time, &parts);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::string_view units[]{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
    return fmt::format("{:.3g} {}", value, units[unit]);
}

Option the_image(std::string_view help) { return required(text("image", help, Complete::file)); }

Option image_format(std::string_view help) {
    return named(one_of("format", "raw|qcow2|qcow|qed|vmdk|vhdx|luks|vdi|vpc|iso", help));
}

Option secret_file(std::string_view name, std::string_view help) { return named(text(name, help, Complete::file)); }

Option force_share() {
    return flag("force-share", "read an image that a running domain writes to; the result may be inconsistent");
}

} // namespace domus::cli
