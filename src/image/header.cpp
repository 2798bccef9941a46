#include "image/header.hpp"

#include "image/formats.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::image {

namespace {

// The order matters where one file's bytes fit two formats: those that are known by the very first bytes come first, as
// QEMU would take such a file. ISO 9660 leaves its first 32 KiB to others, so that it comes after them.
const std::array<const Format*, 10> all{&format_qcow2, &format_qcow, &format_qed, &format_vmdk, &format_vhdx,
                                        &format_luks,  &format_vdi,  &format_vpc, &format_iso,  &format_raw};

constexpr std::array<std::string_view, 10> names{"qcow2", "qcow", "qed", "vmdk", "vhdx",
                                                 "luks",  "vdi",  "vpc", "iso",  "raw"};

Header read_as(const Format& format, Reader& image) {
    image.format = format.name;
    auto header = format.read(image);
    header.format = format.name;
    return header;
}

} // namespace

std::span<const std::string_view> known_formats() { return names; }

Header read_header(int fd, std::string_view name) {
    const auto format = std::ranges::find(all, name, [](const Format* each) { return each->name; });
    if (format == all.end())
        throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                    fmt::format("unsupported configuration: headers of image format '{}' are not read here", name))
            .hint(fmt::format("formats are {}", fmt::join(names, ", ")));
    Reader image(fd);
    image.format = name;
    if (!(*format)->recognizes(image)) throw image.other_format();
    return read_as(**format, image);
}

namespace {

const Format& guess(Reader& image) {
    for (const auto* format : all) {
        image.format = format->name;
        const auto looks_so = format->guessed ? format->guessed : format->recognizes;
        if (looks_so(image)) return *format;
    }
    return format_raw; // not reached: all images may be raw
}

} // namespace

Header probe_header(int fd) {
    Reader image(fd);
    return read_as(guess(image), image);
}

Header read_header(int fd) {
    Reader image(fd);
    const auto& format = guess(image);
    try {
        return read_as(format, image);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::system_error) throw;
    }
    Header damaged;
    damaged.format = format.name;
    damaged.virtual_size = {image.size()};
    damaged.corrupt = true;
    return damaged;
}

} // namespace domus::image
